"""Folders that are built once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from faceflow_ml.data.cache_folder import build_once
from faceflow_ml.errors import FaceFlowError


def _read(folder: Path) -> str:
    try:
        return (folder / "content").read_text()
    except OSError as error:
        raise FaceFlowError("not complete") from error


def _build_slowly(folder: Path) -> None:
    with (folder.parent / "builds").open("a") as stream:
        stream.write("built\n")
    time.sleep(0.5)
    (folder / "content").write_text("complete")


def _build_until_killed(folder: Path) -> None:
    (folder / "half").write_text("of it")
    os.kill(os.getpid(), signal.SIGKILL)


def _ask(folder: Path) -> None:
    assert build_once(folder, _read, _build_slowly) == "complete"


def test_processes_that_start_together_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_ask, args=(tmp_path / "cache",)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (tmp_path / "builds").read_text() == "built\n"


def test_what_a_killed_build_left_is_thrown_away(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=build_once, args=(folder, _read, _build_until_killed))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not folder.exists()
    assert build_once(folder, _read, _build_slowly) == "complete"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["builds", "cache", "cache.lock"]
    assert [p.name for p in folder.iterdir()] == ["content"]


def test_a_place_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FaceFlowError, match="cannot write the cache"):
        build_once(tmp_path / "file" / "cache", _read, _build_slowly)
