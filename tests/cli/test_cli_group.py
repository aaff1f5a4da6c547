"""``faceflow-ml group`` as a process: streams, exit codes, and being killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from faceflow_ml.album.schema import read_groups
from faceflow_ml.cli import app
from faceflow_ml.files import PART_PREFIX

TUNING = ["--min-score", "0.4", "--threshold", "0.82"]


def run_here(*arguments: str | Path) -> Result:
    """Run the command in this process: it starts faster."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def results(out: Path) -> dict[str, bytes]:
    """Everything that the run shows, by relative path."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


def test_groups_a_folder_and_prints_one_document(
    cli: Callable, toy_models, make_album: Callable, tmp_path: Path
) -> None:
    folder, out = make_album(10), tmp_path / "out dir"
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    command = ["group", folder, "--out", out, "--json", *TUNING, *toy_models.options]
    result = cli(*command)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((out / "groups.json").read_text("utf-8"))
    groups = read_groups(out / "groups.json")
    assert len(groups.photos) == 11
    assert sum(len(photo.faces) for photo in groups.photos) == 15
    assert len(groups.people) >= 2
    assert "1 unreadable" in result.stderr
    assert f"Gallery: {out / 'index.html'}" in result.stderr

    before = results(out)
    again = cli(*command[:4], *TUNING, *toy_models.options)
    assert again.returncode == 0
    assert again.stdout == ""
    assert "0 photos analysed" in again.stderr
    assert results(out) == before


def test_bad_folders_and_models(toy_models, make_album: Callable, tmp_path: Path) -> None:
    folder, out = make_album(1), tmp_path / "out"
    missing = run_here("group", tmp_path / "none", "--out", out, "--json", *toy_models.options)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "there is no folder" in missing.stderr

    altered = tmp_path / "altered.onnx"
    altered.write_bytes(toy_models.detector.read_bytes()[:-100])
    broken = run_here("group", folder, "--out", out, "--detector", altered, *toy_models.options[2:])
    assert (broken.exit_code, broken.stdout) == (1, "")
    assert "Traceback" not in broken.stderr
    assert len(broken.stderr.strip().splitlines()) == 1
    assert not (out / "groups.json").exists()

    unwritable = run_here("group", folder, "--out", "/proc/none/out", *toy_models.options)
    assert unwritable.exit_code == 1
    assert "cannot write to the output folder" in unwritable.stderr


def test_a_folder_without_photos_says_so(toy_models, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    out = tmp_path / "out"
    result = run_here("group", tmp_path / "none", "--out", out, *toy_models.options)
    assert result.exit_code == 0
    assert "No photos" in result.stderr
    assert read_groups(out / "groups.json").photos == ()


PHOTOS = 288
"""Enough that a run is still at work when it is killed, also on a busy machine."""


def stored(out: Path) -> int:
    """How many photos a run has finished so far."""
    path = out / ".cache/faces.sqlite3"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return 0
    finally:
        connection.close()


@pytest.mark.skipif(os.name != "posix", reason="signals are a POSIX thing")
def test_a_run_may_be_killed_at_any_moment(
    start_cli: Callable[..., subprocess.Popen[str]],
    cli: Callable,
    toy_models,
    make_album: Callable,
    tmp_path: Path,
) -> None:
    folder = make_album(PHOTOS)
    options = [*TUNING, *toy_models.options, "--workers", "1"]
    straight, out = tmp_path / "straight", tmp_path / "out"
    assert run_here("group", folder, "--out", straight, *options).exit_code == 0

    done = 0
    for number, code in (
        (signal.SIGKILL, -signal.SIGKILL),
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
    ):
        process = start_cli("group", folder, "--out", out, "--json", *options)
        while stored(out) <= done and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(number)
        printed, errors = process.communicate(timeout=30)
        assert process.returncode == code, errors
        assert printed == ""
        assert "Traceback" not in errors
        assert stored(out) > done  # goes on where the run before was stopped
        done = stored(out)
        assert not (out / "groups.json").exists()
        if number != signal.SIGKILL:
            assert not list(out.rglob(f"{PART_PREFIX}*"))

    finished = run_here("group", folder, "--out", out, *options)
    assert finished.exit_code == 0, finished.stderr
    assert f"{PHOTOS - done} photos analysed" in finished.stderr
    assert results(out) == results(straight)


@pytest.mark.skipif(os.name != "posix", reason="resource limits are a POSIX thing")
def test_a_disk_that_fills_up_is_one_line_and_loses_nothing(
    cli: Callable, toy_models, make_album: Callable, tmp_path: Path
) -> None:
    import resource

    folder, out = make_album(12), tmp_path / "out"
    options = [*TUNING, *toy_models.options, "--workers", "1"]

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    full = cli("group", folder, "--out", out, *options, preexec_fn=small_files_only)
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert full.stderr.startswith("Error: ")
    kept = stored(out)
    assert kept > 0
    assert not (out / "groups.json").exists()
    after = run_here("group", folder, "--out", out, *options)
    assert after.exit_code == 0
    assert f"{12 - kept} photos analysed" in after.stderr
