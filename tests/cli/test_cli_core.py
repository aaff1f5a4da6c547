"""What all commands share: help, versions, exit codes, streams."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from pydantic import BaseModel
from typer.testing import CliRunner

from faceflow_ml import __version__
from faceflow_ml.cli import _COMMANDS, app
from faceflow_ml.cli import _common as common
from faceflow_ml.errors import ConfigError, FaceFlowError, WeightsError

HEAVY = ("torch", "onnxruntime", "cv2", "faiss", "scipy", "numpy")


def test_help_lists_every_command_and_loads_nothing_heavy(cli: Callable) -> None:
    probe = (
        "import sys; sys.argv = ['faceflow-ml', '--help']\n"
        "from faceflow_ml.cli import main\n"
        "try: main()\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert result.stderr.strip() == "[]"
    for name in _COMMANDS:
        assert f" {name} " in result.stdout


def test_help_loads_little_beside_typer() -> None:
    """What help takes is the loading of modules; their number is the same on a busy machine."""
    count = "import sys; sys.argv = ['x', '--help']\n{}\nfinally: print(len(sys.modules), end='')"
    idle = "import typer\napp = typer.Typer()\napp.command()(lambda: None)\ntry: app()"
    own = "from faceflow_ml.cli import main\ntry: main()"

    def loaded(code: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", count.format(code)], capture_output=True, text=True, check=True
        )
        return int(done.stdout.splitlines()[-1])

    assert loaded(own) < 1.3 * loaded(idle)


def test_version(cli: Callable) -> None:
    result = cli("--version")
    assert (result.returncode, result.stdout) == (0, f"faceflow-ml {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["--nonsense"], ["group"], ["group", ".", "--out"], ["detect"]],
)
def test_bad_usage_is_exit_code_2_and_stdout_stays_empty(
    cli: Callable, arguments: list[str]
) -> None:
    result = cli(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")

    monkeypatch.setattr("faceflow_ml.cli.import_module", missing)
    result = CliRunner().invoke(app, ["train", "detector"])
    assert result.exit_code == 2
    assert "pip install 'faceflow-ml[train]'" in result.stderr


def test_a_missing_module_of_our_own_is_a_defect_and_not_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError), common.errors_to_exit_codes():
        raise ModuleNotFoundError("No module named 'faceflow_ml.x'", name="faceflow_ml.x")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("bad key 'x'"), 2, "bad key 'x'"),
        (FaceFlowError("it failed [bold]"), 1, "it failed [bold]"),
        (WeightsError("altered"), 1, "altered"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), 1, "the disk is full: /a/b"),
        (OSError(errno.EROFS, "Read-only"), 1, "the file system is read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), 1, "permission denied: /a"),
        (MemoryError(), 1, "out of memory"),
        (ModuleNotFoundError("x", name="mlflow"), 2, "faceflow-ml[train]"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (common.Terminated(), 143, "Terminated"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, common.errors_to_exit_codes():
        raise error
    assert caught.value.exit_code == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("a defect"), BrokenPipeError(errno.EPIPE, "pipe")])
def test_defects_keep_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)), common.errors_to_exit_codes():
        raise error


class Model(BaseModel):
    name: str


@dataclass(frozen=True)
class Record:
    path: Path
    box: np.ndarray


def test_json_of_models_dataclasses_and_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    value = {
        "model": Model(name="é"),
        "record": Record(Path("a/b"), np.array([1.5, 2])),
        "n": np.int64(3),
        "flags": {"b", "a"},
        "bad name": "caf\udce9",
    }
    common.emit_json(value)
    assert json.loads(capsys.readouterr().out) == {
        "model": {"name": "é"},
        "record": {"path": "a/b", "box": [1.5, 2.0]},
        "n": 3,
        "flags": ["a", "b"],
        "bad name": "caf\udce9",
    }


def test_json_refuses_what_it_cannot_say() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        common.dumps_json({"x": float("nan")})
    with pytest.raises(TypeError, match="object has no JSON form"):
        common.dumps_json({"x": object()})


def test_progress_is_silent_on_stdout_and_shows_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with common.progress("Working [bold]", 3) as bar:
        bar.advance()
        bar.update(3, 3)
    assert capsys.readouterr().out == ""


def test_a_reader_that_goes_away_is_no_error(cli: Callable) -> None:
    pipeline = (
        f"{sys.executable} -m faceflow_ml --help | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    )
    result = subprocess.run(["bash", "-c", pipeline], capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("group", "dedupe", "detect", "embed", "data synth", "bench", "bench scale"),
        *("train detector", "train embedder", "train refiner", "train aligner"),
        *("export detector", "export embedder", "export refiner", "export aligner"),
        *("evaluate detector", "evaluate embedder", "evaluate clustering", "evaluate grouping"),
        "evaluate calibrate",
    ],
)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(app, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert f"Example: faceflow-ml {name} " in result.stdout
    assert "--json" in result.stdout
