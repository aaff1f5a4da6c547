"""A folder is replaced whole, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faceflow_ml.errors import ConfigError
from faceflow_ml.files import atomic_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from faceflow_ml.files import atomic_folder

with atomic_folder(sys.argv[1], "mark") as work:
    (work / "mark").write_text("new")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write(target: Path, text: str) -> None:
    with atomic_folder(target, "mark") as work:
        (work / "mark").write_text(text)
        (work / text).mkdir()


def test_an_earlier_folder_is_replaced_with_all_it_had(tmp_path: Path) -> None:
    write(tmp_path / "out", "one")
    write(tmp_path / "out", "two")
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == ["mark", "two"]
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


def test_failure_leaves_the_earlier_one(tmp_path: Path) -> None:
    write(tmp_path / "out", "one")

    def failing() -> None:
        with atomic_folder(tmp_path / "out", "mark") as work:
            (work / "mark").write_text("two")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "out", "mark"):
        pass  # without its mark it could not be replaced next time
    assert (tmp_path / "out/mark").read_text() == "one"
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


def test_a_killed_writer_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "out", "one")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out")]
    done = subprocess.run(command, check=False, timeout=120, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "out/mark").read_text() == "one"
    write(tmp_path / "out", "two")
    assert (tmp_path / "out/mark").read_text() == "two"


def test_what_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter").write_text("dear")
    (tmp_path / "file").write_text("x")
    for target in ("mine", "file"):
        with pytest.raises(ConfigError), atomic_folder(tmp_path / target, "mark"):
            pytest.fail("the block must not run")
    assert (tmp_path / "mine/letter").read_text() == "dear"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", "one")
    assert (tmp_path / "out/mark").read_text() == "one"
