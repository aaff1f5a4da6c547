"""Settings of a server that cannot be used: one line and status 2, before a model is looked at."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from serving.__main__ import app


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"FACEFLOW_SERVING_PORT": "http"}, "FACEFLOW_SERVING_PORT is 'http'; it should be"),
        ({"SAGEMAKER_BIND_TO_PORT": "99999"}, "SAGEMAKER_BIND_TO_PORT is '99999'; it should be"),
        ({"FACEFLOW_SERVING_DEVICE": "tpu"}, "FACEFLOW_SERVING_DEVICE is 'tpu'; it should be "),
        (
            {"FACEFLOW_SERVING_QUEUE": "1"},
            "there is no FACEFLOW_SERVING_QUEUE; the nearest is FACEFLOW_SERVING_QUEUE_SIZE\n",
        ),
        (
            {"FACEFLOW_SERVIN_WORKERS": "1"},
            "there is no FACEFLOW_SERVIN_WORKERS; the nearest is FACEFLOW_SERVING_WORKERS\n",
        ),
        (
            {"FACEFLOW_WEIGHT": "models"},
            "there is no FACEFLOW_WEIGHT; the nearest is FACEFLOW_WEIGHTS\n",
        ),
        (
            {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "six"},
            "SAGEMAKER_MAX_PAYLOAD_IN_MB is 'six'; it should be a whole number",
        ),
        ({"FACEFLOW_WEIGHTS": "/nowhere"}, "FACEFLOW_WEIGHTS is '/nowhere'; it should be a folder"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_one_line_names_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ended = CliRunner().invoke(app, ["embedding", "serve"])
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"Error: {said}") and ended.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "train"])
def test_a_task_that_is_none(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("FACEFLOW_SERVING_TASK", "faces")
    ended = CliRunner().invoke(app, [command])
    assert ended.exit_code == 2
    assert ended.stderr == (
        "Error: FACEFLOW_SERVING_TASK is 'faces'; it should be embedding or detection\n"
    )
