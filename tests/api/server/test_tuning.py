"""What a rush leaves behind, and pages that are made once."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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


def test_large_rows_take_hardly_more_room_than_they_are(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    table = SqliteTable(file)
    rows = [Put(Key("ALBUM#a", f"PHOTO#{k:06d}"), {"blur": "x" * 1800}) for k in range(1000)]
    table.write_many(rows)
    table.close()
    # In the inner pages of a tree, or beside a page's end, they would take three times as much.
    assert file.stat().st_size < 1.5 * 1000 * 1800


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


_HEAPS = """
import os, sys, threading
from api.heap import share_heaps
os.cpu_count = lambda: 2
if "share" in sys.argv:
    share_heaps()
together = threading.Barrier(12)
def work():
    block = bytes(50_000)
    together.wait(30)
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
lines = [line.split() for line in open("/proc/self/maps")]
starts = [int(line[0].split("-")[0], 16) for line in lines if len(line) == 5]
print(sum(start % 2**26 == 0 for start in starts))
"""
_GIVEN_BACK = """
from api.heap import give_back
def mib():
    return int(open("/proc/self/statm").read().split()[1]) / 256
blocks = [bytes(60_000) for _ in range(1500)]
full = mib()
del blocks[:-1]  # the last one keeps the heap from shrinking by itself
kept = mib()
give_back()
print(full - kept, kept - mib())
"""


def _said(code: str, *arguments: str) -> list[float]:
    command = [sys.executable, "-c", code, *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's allocator")
def test_threads_share_heaps_and_free_pages_go_back() -> None:
    (many,), (few,) = _said(_HEAPS), _said(_HEAPS, "share")
    assert few < 2 <= many
    by_itself, asked = _said(_GIVEN_BACK)
    assert by_itself < 20 < 60 < asked
