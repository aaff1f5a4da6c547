"""Commands of packages that build on the library, by entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from typer.testing import CliRunner

from faceflow_ml import cli


def test_an_added_command_is_listed_and_runs() -> None:
    assert "pipeline" in cli._added()
    found = CliRunner().invoke(cli.app, ["pipeline", "--help"])
    assert found.exit_code == 0
    assert "rollback" in found.output


def test_one_that_cannot_be_loaded_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_module:app", cli.ADDED_COMMANDS)
    monkeypatch.setattr(cli, "_added", lambda: {"broken": broken})
    assert CliRunner().invoke(cli.app, ["--version"]).exit_code == 0
    refused = CliRunner().invoke(cli.app, ["broken"])
    assert refused.exit_code == cli.EXIT_USAGE
