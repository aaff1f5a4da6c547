"""Variables that nobody reads: a misspelt one is refused, another one is logged."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.__main__ import app
from api.aws import AwsSettings, load_aws_settings
from api.lambdas.cluster import _TaskSettings
from api.settings import FAMILIES, OTHERS, Settings, read_settings
from faceflow_ml.errors import SettingsError
from faceflow_ml.inference.pretrained import WEIGHTS_VARIABLE
from faceflow_ml.settings import variables
from faceflow_ml.variables import is_misspelling, nearest
from pipelines.deployment.events import BUS_VARIABLE, CONFIG_VARIABLE
from serving.settings import Settings as ServingSettings

ROOT = Path(__file__).parents[3]
KNOWN = {*variables(Settings).values(), *variables(AwsSettings).values(), *OTHERS}
AWS = {
    "FACEFLOW_TABLE": "faceflow-dev",
    **{f"FACEFLOW_{name}_BUCKET": "photos" for name in ("RAW", "DERIVED", "EMBEDDINGS", "EXPORTS")},
    "FACEFLOW_URL_SIGNER_KEY_ID": "K1",
    "FACEFLOW_URL_SIGNER_SECRET": "signer",
    "FACEFLOW_DETECTION_ENDPOINT": "detection",
    "FACEFLOW_EMBEDDING_ENDPOINT": "embedding",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(("FACEFLOW_", "APP_ENV")):
            monkeypatch.delenv(name)


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("FACEFLOW_WORKRES", "FACEFLOW_WORKERS"),
        ("FACEFLOW_METRICS_TOKN", "FACEFLOW_METRICS_TOKEN"),
        ("FACEFLOW_QUOTA_PHOTO", "FACEFLOW_QUOTA_PHOTOS"),
        ("faceflow_log_levle", "FACEFLOW_LOG_LEVEL"),
        ("FACEFLOW_WEIGHT", "FACEFLOW_WEIGHTS"),
    ],
)
@pytest.mark.parametrize("command", ["", "reembed", "consent ada"])
def test_a_misspelt_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str, command: str
) -> None:
    monkeypatch.setenv(written, "3")
    ended = CliRunner().invoke(app, [*command.split(), "--data", str(tmp_path / "data")])
    assert ended.exit_code == 2
    assert ended.stderr == f"Error: there is no {written}; the nearest is {meant}\n"
    assert list(tmp_path.iterdir()) == []


def test_another_one_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Kubernetes puts the first there for a service called faceflow.
    for name in ("FACEFLOW_PORT", "FACEFLOW_SERVING_PORT", "FACEFLOW_PIPELINE_CONFIG"):
        monkeypatch.setenv(name, "tcp://10.0.0.1:8000")
    monkeypatch.setenv("FACEFLOW_WORKERS", "3")
    assert read_settings().workers == 3
    assert len(warned(caplog)) == 1
    assert warned(caplog)[0].startswith("FACEFLOW_PORT is set, but nothing reads it; the nearest ")


def test_on_aws(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("APP_ENV", "dev")
    for name in variables(_TaskSettings).values():  # the task that groups faces has them as well
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("FACEFLOW_LOG_RETENTION", "30")
    read_settings()
    assert load_aws_settings().table == "faceflow-dev"
    assert [line.split()[0] for line in warned(caplog)] == ["FACEFLOW_LOG_RETENTION"]
    monkeypatch.setenv("FACEFLOW_EVENT_BUSS", "faceflow-dev")
    with pytest.raises(SettingsError, match="^there is no FACEFLOW_EVENT_BUSS; .* FACEFLOW_EVENT"):
        load_aws_settings()


def test_every_variable_of_the_project_is_known() -> None:
    """Else one process would warn of what another needs, or refuse it."""
    kinds = ("*.py", "*.tf", "*.json", "*.sh", "*.mjs", "*.ipynb", "*Dockerfile", "Makefile")
    listed = subprocess.run(
        ["git", "ls-files", "-z", *kinds, ":!tests/**/test_*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    named = {
        name
        for file in listed.stdout.split("\0")
        if file and (ROOT / file).is_file()
        for name in re.findall(r"\bFACEFLOW_[A-Z0-9_]*[A-Z0-9]\b", (ROOT / file).read_text("utf-8"))
    }
    assert len(named) > 40  # it was looked for
    doctests = {"FACEFLOW_WORKRES", "FACEFLOW_THREADS", "FACEFLOW_PORT"}
    served = set(variables(ServingSettings).values())
    assert {name for name in named - doctests - KNOWN - served if name + "_" not in FAMILIES} <= {
        name for name in named if name.startswith("FACEFLOW_LOAD_")
    }


@pytest.mark.parametrize(
    "read",
    [
        {*variables(Settings).values(), *OTHERS},
        KNOWN,
        set(variables(ServingSettings).values()),
        {WEIGHTS_VARIABLE},
        {CONFIG_VARIABLE, BUS_VARIABLE},
    ],
    ids=["one machine", "AWS", "model server", "library", "deployer"],
)
def test_no_process_takes_for_misspelt_what_another_reads(read: set[str]) -> None:
    names = KNOWN | set(variables(ServingSettings).values())
    refused = [name for name in names - read if is_misspelling(name, nearest(name, read))]
    assert refused == []
