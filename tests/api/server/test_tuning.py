"""What a rush leaves behind, and pages that are made once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from api.domain.memory import Remembered
from api.repositories.sqlite_table import SqliteTable
from api.repositories.table import Key, Put


def test_connections_of_a_rush_are_closed_after_it(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "t.db")
    table.write_many([Put(Key("A", f"{k:03d}"), {"k": k}) for k in range(10)])
    together = threading.Barrier(20)

    def read(_: int) -> int:
        with table._reader() as connection:
            together.wait(30)
            return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(read, range(20))) == [10] * 20
    assert len(table._idle) == 8
    assert len(table.get_many([Key("A", "001"), Key("A", "x")])) == 2
    table.close()


def test_a_page_is_made_once_for_all_who_ask_meanwhile() -> None:
    remembered = Remembered()
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return b"page"

    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: remembered.page(("head", 1), make), range(16)))
    assert pages == [b"page"] * 16
    assert len(made) == 1
    for number in range(10):
        remembered.page(("head", number), lambda number=number: b"%d" % number)  # type: ignore[misc]
    assert remembered.page(("head", 9), make) == b"9"
    assert remembered.page(("head", 1), make) == b"page"
    assert len(made) == 2
