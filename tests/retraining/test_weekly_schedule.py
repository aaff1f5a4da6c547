"""The gate, and the schedule on an emulated EventBridge Scheduler, over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import ValidationError

from pipelines.retraining.gate import check_gate
from pipelines.retraining.schedule import Schedule, remove_schedule, upsert_schedule

from .conftest import Export

PIPELINE = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/faceflow"
ROLE = "arn:aws:iam::123456789012:role/start"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def scheduler(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    client = boto3.client("scheduler", endpoint_url=endpoint)
    for found in client.list_schedules()["Schedules"]:
        client.delete_schedule(Name=found["Name"], GroupName=found["GroupName"])
    return client


def schedule(**changes: Any) -> Schedule:
    values = {"pipeline_arn": PIPELINE, "role_arn": ROLE, "parameters": {"Needed": "200"}}
    return Schedule.model_validate(values | changes)


def test_a_schedule_is_made_changed_and_left_alone(scheduler: Any) -> None:
    assert upsert_schedule(scheduler, schedule()) == "created"
    assert upsert_schedule(scheduler, schedule()) == "unchanged"
    found = scheduler.get_schedule(Name="faceflow-retrain-weekly")
    assert found["ScheduleExpression"] == "cron(0 3 ? * MON *)"
    assert found["Target"]["Arn"] == PIPELINE
    assert found["Target"]["SageMakerPipelineParameters"]["PipelineParameterList"] == [
        {"Name": "Needed", "Value": "200"}
    ]
    changed = schedule(parameters={"Needed": "50", "Spot": "true"}, enabled=False)
    assert upsert_schedule(scheduler, changed) == "updated"
    found = scheduler.get_schedule(Name="faceflow-retrain-weekly")
    assert found["State"] == "DISABLED"
    assert len(found["Target"]["SageMakerPipelineParameters"]["PipelineParameterList"]) == 2
    assert len(scheduler.list_schedules()["Schedules"]) == 1


def test_a_queue_that_is_not_wanted_any_more_goes(scheduler: Any) -> None:
    queue = "arn:aws:sqs:eu-west-1:123456789012:failed"
    upsert_schedule(scheduler, schedule(dead_letter_arn=queue))
    assert upsert_schedule(scheduler, schedule()) == "updated"
    target = scheduler.get_schedule(Name="faceflow-retrain-weekly")["Target"]
    assert not target.get("DeadLetterConfig")


def test_removing_may_be_repeated(scheduler: Any) -> None:
    upsert_schedule(scheduler, schedule())
    assert remove_schedule(scheduler, "faceflow-retrain-weekly")
    assert not remove_schedule(scheduler, "faceflow-retrain-weekly")


@pytest.mark.parametrize(
    "changes",
    [
        {"expression": "every monday"},
        {"pipeline_arn": "faceflow"},
        {"role_arn": PIPELINE},
        {"parameters": {"no spaces": "1"}},
        {"window_minutes": 5000},
        {"surprise": 1},
    ],
)
def test_a_schedule_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schedule(**changes)


@pytest.mark.usefixtures("scheduler")
def test_the_command(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    command = [sys.executable, "-m", "pipelines.retraining", "schedule", "--pipeline-arn", PIPELINE]
    command += ["--role-arn", ROLE, "--parameter", "Needed=7", "--json"]
    outcomes = [
        json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=180).stdout
        )["outcome"]
        for _ in range(2)
    ]
    assert outcomes == ["created", "unchanged"]
    bad = subprocess.run(
        [*command, "--expression", "weekly"],
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert bad.returncode == 2 and "expression" in bad.stderr


def corrected(export: Export) -> None:
    for number in range(3):
        export.say("confirm", "same", export.person(number, f"p{number}"))


def test_too_little_is_skipped_and_says_so(export: Export, tmp_path: Path) -> None:
    corrected(export)
    folder = export.write(tmp_path / "e")
    gate = check_gate(folder, needed=4)
    assert (gate.train, gate.new) == (0, 3)
    assert gate.reason == "skipped: 3 new corrections, 4 are needed"
    go = check_gate(folder, needed=3)
    assert go.train == 1 and (go.faces, go.identities) == (18, 3)


def test_only_what_the_last_run_did_not_have_is_new(export: Export, tmp_path: Path) -> None:
    corrected(export)
    folder = export.write(tmp_path / "e")
    last = tmp_path / "last"
    last.mkdir()
    assert check_gate(folder, needed=3, previous=last).new == 3
    (last / "training_set.json").write_text(json.dumps({"decisions": ["d0000", "d0001"]}))
    assert check_gate(folder, needed=3, previous=last).new == 1


def test_corrections_of_one_person_teach_nothing(export: Export, tmp_path: Path) -> None:
    for face in export.person(0, "p0"):
        export.say("confirm", "same", [face])
    gate = check_gate(export.write(tmp_path / "e"), needed=2)
    assert gate.train == 0 and "1 people" in gate.reason


def test_the_gate_is_a_step_of_a_pipeline(export: Export, tmp_path: Path) -> None:
    corrected(export)
    export.write(tmp_path / "processing/input/export")
    (tmp_path / "processing/input/previous").mkdir()
    command = [sys.executable, "-m", "pipelines.retraining", "gate", "--needed", "9"]
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(tmp_path)}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=180, env=environment
    )
    document = json.loads((tmp_path / "processing/output/gate/gate.json").read_text())
    assert document["train"] == 0 and document["reason"] in done.stderr
    skipped = subprocess.run([*command, "--exit-code"], check=False, timeout=180, env=environment)
    assert skipped.returncode == 3
    (tmp_path / "processing/input/export/corrections.json").write_text("{}")
    broken = subprocess.run(command, check=False, timeout=180, env=environment)
    assert broken.returncode == 1
    assert "corrections.json" in (tmp_path / "output/message").read_text()
