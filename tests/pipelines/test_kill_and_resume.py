"""kill -9 at each step: the same command goes on, repeats nothing and ends as if never killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.local.state import ExecutionState
from tests.pipelines.executor import STEPS

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds, on a busy machine


def start(root: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MARKS": str(root / "marks")}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.pipelines.executor", str(root)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not file.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"no {file.name}"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def attempts(root: Path, mark: str) -> list[int]:
    return [int(line) for line in (root / "marks" / mark).read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("killed", STEPS)
def test_killed_at_each_step_it_goes_on(tmp_path: Path, killed: str) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    hold = marks / f"hold-{killed}"
    hold.touch()
    names = {step: "train" if step == "train" else f"begin-{step}" for step in STEPS}
    process = start(tmp_path)
    wait_for(marks / names[killed], process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (orphan,) = attempts(tmp_path, names[killed])
    if killed != "register":
        assert runs(orphan)  # nobody was there to end it
    again = start(tmp_path)
    deadline = time.monotonic() + PATIENCE
    while len(attempts(tmp_path, names[killed])) < 2:
        assert again.poll() is None, again.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not runs(orphan)  # it was ended before the step began again
    hold.unlink()
    output, _ = again.communicate(timeout=PATIENCE)
    assert " Succeeded None" in output, output
    # Every step ran once, but the one that was killed.
    assert {step: len(attempts(tmp_path, mark)) for step, mark in names.items()} == {
        step: 2 if step == killed else 1 for step in STEPS
    }
    (folder,) = (tmp_path / "executions").iterdir()  # it was one execution
    state = ExecutionState.load(folder)
    assert set(state.steps) == {"Data", "Train", "Final", "Check", "Register"}
    assert (tmp_path / "s3/bucket/checkpoints/1/attempts").read_text() == (
        "2" if killed == "train" else "1"
    )
    (registered,) = marks.glob("registered-*")
    assert registered.read_text() == "final"


def test_a_second_executor_is_turned_away(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    (marks / "hold-data").touch()
    first = start(tmp_path)
    wait_for(marks / "begin-data", first)
    second = start(tmp_path)
    output, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode != 0
    assert "is in use by another process" in output
    (marks / "hold-data").unlink()
    assert " Succeeded None" in first.communicate(timeout=PATIENCE)[0]


def test_told_to_stop_it_ends_its_programs_and_stays_resumable(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    (marks / "hold-data").touch()
    process = start(tmp_path)
    wait_for(marks / "begin-data", process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert not runs(attempts(tmp_path, "begin-data")[0])
    (folder,) = (tmp_path / "executions").iterdir()
    assert ExecutionState.load(folder).status == "Executing"
    (marks / "hold-data").unlink()
    again = start(tmp_path)
    assert " Succeeded None" in again.communicate(timeout=PATIENCE)[0]
    assert len(list((tmp_path / "executions").iterdir())) == 1
