"""How evenly the process answers, and that it gives memory back."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.domain.memory import Remembered
from api.repositories.sqlite_table import SqliteTable
from api.repositories.table import Key, Put

ROOT = Path(__file__).parents[3]
_CHURN = """
import threading, sys, time
from pathlib import Path
from api.server.tuning import give_memory_back

if sys.argv[1] == "tuned" and not give_memory_back():
    print("no glibc")
    raise SystemExit
barrier = threading.Barrier(16)
kept = []

def work():
    barrier.wait()
    for _ in range(3):
        pages = [bytes(1000) * 1000 for _ in range(8)]
        kept.append(bytearray(50_000))  # at the end of what this thread has
        barrier.wait()
        del pages

threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20)
"""


def _mib_after_churn(how: str) -> int:
    command = [sys.executable, "-c", _CHURN, how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    if done.stdout.strip() == "no glibc":
        pytest.skip("only glibc can be told so")
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_rush_goes_back_to_the_system() -> None:
    assert _mib_after_churn("tuned") < _mib_after_churn("plain") - 20


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
