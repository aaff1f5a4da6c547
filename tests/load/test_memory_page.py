"""The page about memory says whether it grows."""

from __future__ import annotations

from pathlib import Path

from tests.load.crowd import Crowded
from tests.load.locusts import Requests, failed
from tests.load.memory import report


def crowded(growth: float) -> Crowded:
    """An hour, a sample a minute; ``growth`` MiB a minute."""
    requests = (Requests("upload", 7, 0, 1, 1, 1, 1), Requests("all", 90, 2, 1, 1, 1, 1))
    faults = ("2 times GET photo: HTTPError('404')",)
    memory = tuple((60.0 * minute, 300.0 + growth * minute) for minute in range(61))
    return Crowded(40, 60, requests, 1.5, 0.5, memory, faults)


def test_what_stays_is_flat() -> None:
    page = report(crowded(0.0), 1_000, 0.1)
    assert crowded(0.0).flat
    assert "90 requests, 2 of them failed, 7 photos uploaded" in page
    assert "\n\n- failed: 2 times GET photo: HTTPError('404')\n\n| minutes" in page
    assert page.count("| 300 | 300 |") == 12
    assert page.rstrip().endswith("+0.0%; wanted: at most 5%: met.")


def test_what_grows_is_not() -> None:
    assert not crowded(2.0).flat
    assert "**missed**" in report(crowded(2.0), 1_000, 0.1)


def test_what_failed_is_in_the_log_of_locust(tmp_path: Path) -> None:
    log = tmp_path / "locust.log"
    log.write_text(
        "[2026-11-29 13:41:20,590] vm/INFO/locust.runners: All users spawned\n"
        "        12    90  99%  of it                     \n"
        "Error report\n"
        "# occurrences      Error                         \n"
        "------------------|------------------------------\n"
        "2                  GET photo: TimeoutError('timed out')   \n"
        "------------------|------------------------------\n"
    )
    assert failed(tmp_path) == ("2 times GET photo: TimeoutError('timed out')",)
    log.write_text("nothing to say")
    assert failed(tmp_path) == ()
