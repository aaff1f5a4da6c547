"""`faceflow-ml pipeline` as it is called: usage, and what it says when there is nothing to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from faceflow_ml.cli import app
from faceflow_ml.errors import ConfigError
from pipelines.deployment.events import CONFIG_VARIABLE, handler
from pipelines.local.execute import merge_parameters
from tests.pipelines.conftest import CONFIGS
from tests.pipelines.deploying import Place

DEBUG = str(CONFIGS / "debug.yaml")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["run", "-p", "EmbedderMinimum"], "expected NAME=VALUE"),
        (["run", "colour=red"], "colour"),
        (["run", "--sagemaker", "--fresh"], "are for this machine"),
        (["compile", "--out", "x.json", "--config", "nothing.yaml"], "nothing.yaml"),
        (["deploy", "--kind", "cat"], "--kind is detector or embedder, not cat"),
        (["deploy", "--version", "3"], "--version needs one --kind"),
    ],
)
def test_bad_usage_is_told_apart_from_failure(words: list[str], reason: str) -> None:
    if "--config" not in words:
        words = [*words, "--config", DEBUG]
    found = CliRunner().invoke(app, ["pipeline", *words])
    assert found.exit_code == 2
    assert reason in " ".join(found.stderr.split())


def test_the_deployer_logs_what_is_wrong_with_its_configuration(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("colour: red\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    with pytest.raises(ConfigError):
        handler({})
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{CONFIG_VARIABLE}: bad configuration {file}: ")
    assert "there is no colour" in line and "\n" not in line
    monkeypatch.setenv("FACEFLOW_EVENT_BUSS", "faceflow-dev")
    with pytest.raises(ConfigError, match="FACEFLOW_EVENT_BUSS; the nearest is FACEFLOW_EVENT_BUS"):
        handler({})


def test_nothing_is_deployed_yet(local_root: Path) -> None:
    words = ["--config", DEBUG, f"local.root={local_root}", "--json"]
    found = CliRunner().invoke(app, ["pipeline", "status", *words])
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"servers": []}
    refused = CliRunner().invoke(app, ["pipeline", "rollback", *words])
    assert refused.exit_code == 1
    assert "no earlier version" in " ".join(refused.stderr.split())
    assert refused.stdout == ""


def test_a_deployment_says_what_it_came_to(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.register("a" * 16)
    words = ["pipeline", "deploy", "--kind", "embedder", "--approve", "--config", DEBUG]
    said = [CliRunner().invoke(app, [*words, *place.words]).stderr.split() for _ in range(2)]
    assert [line[-1] for line in said] == ["created", "unchanged"]


def test_without_credentials_sagemaker_is_a_failure_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("deploy", "rollback"):
        words = ["pipeline", name, "--sagemaker", "--config", DEBUG]
        found = CliRunner().invoke(app, words)
        assert found.exit_code == 1
        assert "Unable to locate credentials" in found.stderr


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("Text", "3", "3"), ("Count", "3", 3), ("Share", "1", 1), ("Share", "0.5", 0.5)],
)
def test_parameters_are_read_by_their_types(name: str, text: str, value: object) -> None:
    assert merge_parameters(PARAMETERS, {name: text})[name] == value


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("Count", "0.5", "of type Integer"),
        ("Share", "many", "of type Float"),
        ("Share", "NaN", "of type Float"),
        ("Share", "-Infinity", "of type Float"),
        ("Count", "true", "of type Integer"),
        ("Mode", "fast", "one of slow"),
        ("Colour", "red", "no parameter Colour"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        merge_parameters(PARAMETERS, {name: text})


PARAMETERS = {
    "Parameters": [
        {"Name": "Text", "Type": "String", "DefaultValue": "x"},
        {"Name": "Count", "Type": "Integer", "DefaultValue": 1},
        {"Name": "Share", "Type": "Float", "DefaultValue": 0.1},
        {"Name": "Mode", "Type": "String", "DefaultValue": "slow", "EnumValues": ["slow"]},
    ]
}
