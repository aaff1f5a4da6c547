"""Where commands write: into a Processing job's folders, or into those that somebody named."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from faceflow_ml.errors import ConfigError
from pipelines.retraining.cli import app


@pytest.mark.parametrize(
    "words",
    [
        ["corrections", "--export", "."],
        ["quality", "--data", "."],
        ["baseline", "--data", "."],
        ["drift", "--baseline", ".", "--current", "."],
        ["gate", "--export", "."],
        ["simulate"],
    ],
)
def test_on_ones_own_machine_a_folder_is_asked_for(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path / "sagemaker"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ConfigError)
    assert "--out" in str(done.exception)
    assert not list(tmp_path.iterdir())
