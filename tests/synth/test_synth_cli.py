"""``faceflow-ml data synth`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from faceflow_ml.cli import app

runner = CliRunner()


def _synth(*arguments: str) -> list[str]:
    return ["data", "synth", "--width", "160", "--people", "2", "--photos", "2", *arguments]


def test_json_is_the_only_thing_on_stdout(tmp_path: Path) -> None:
    out = tmp_path / "album"
    arguments = _synth("--out", str(out), "--broken", "1", "--near-duplicates", "1", "--json")
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["photos"] == 3
    assert report["people"] == 2
    assert report["broken"] == ["broken_01.jpg"]
    assert report["duplicates"][0]["kind"] == "near"
    labels = json.loads(Path(report["labels"]).read_text(encoding="utf-8"))
    assert sum(len(photo["faces"]) for photo in labels["photos"]) == report["faces"]


def test_a_foreign_folder_is_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = runner.invoke(app, _synth("--out", str(tmp_path)))
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert result.stdout == ""
    assert (tmp_path / "notes.txt").exists()


def test_bad_numbers_are_bad_usage(tmp_path: Path) -> None:
    result = runner.invoke(app, ["data", "synth", "--out", str(tmp_path / "a"), "--people", "0"])
    assert result.exit_code == 2
    assert not (tmp_path / "a").exists()


def test_help_shows_an_example() -> None:
    result = runner.invoke(app, ["data", "synth", "--help"])
    assert result.exit_code == 0
    assert "Example: faceflow-ml data synth" in result.stdout


def test_rendering_needs_nothing_but_the_base_install() -> None:
    code = (
        "import sys, faceflow_ml.cli.data, faceflow_ml.data.synth.faces;"
        "print([m for m in ('torch', 'albumentations', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
