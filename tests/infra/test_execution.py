"""The state machine, executed by moto's interpreter against moto's table and buckets.

The functions are stand-ins: what is tested is the machine, not the steps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from api.domain.models import Job, JobKind, JobState
from api.ids import now
from api.workflow.context import JobFailed, RetryLater
from tests.infra import asl

pytest.importorskip("moto.stepfunctions.parser.asl.parse.asl_parser")
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend

Payload = dict[str, Any]
Handlers = dict[str, Callable[[Payload], Any]]
REGION = "eu-west-1"
CONFIG = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
CHUNKS = [{"photoIds": ["p1", "p2"]}, {"photoIds": ["p3"]}]
IDS = {"userId": "U", "albumId": "A", "jobId": "J", "batch": "J-1"}


class Aws:
    """A table with one running job, a bucket, and the state machine."""

    def __init__(self) -> None:
        self.table = boto3.resource("dynamodb", REGION).create_table(
            TableName=asl.VALUES["table"],
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        self.job = Job(
            id="J",
            kind=JobKind.INGEST,
            user_id="U",
            album_id="A",
            created_at=now(),
            updated_at=now(),
        )
        key = self.job.key()
        item = {**self.job.to_item(), "progress": 0}
        self.table.put_item(Item={"pk": key.pk, "sk": key.sk, **item})
        self.s3 = boto3.client("s3", REGION)
        self.s3.create_bucket(
            Bucket=asl.VALUES["derived_bucket"],
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        self.states = boto3.client("stepfunctions", REGION)
        self.machine = self.states.create_state_machine(
            name="ingestion",
            # Seconds of waiting would be seconds of the test.
            definition=asl.render().replace('"IntervalSeconds": 2', '"IntervalSeconds": 1'),
            roleArn=f"arn:aws:iam::{asl.ACCOUNT}:role/states",
        )["stateMachineArn"]

    def execute(self) -> dict[str, Any]:
        """Run to the end."""
        arn = self.states.start_execution(stateMachineArn=self.machine, input=json.dumps(IDS))[
            "executionArn"
        ]
        until = time.monotonic() + 120
        while time.monotonic() < until:
            found: dict[str, Any] = self.states.describe_execution(executionArn=arn)
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.1)
        raise AssertionError("the execution does not end")

    def row(self) -> Job:
        """The job as the table has it."""
        key = self.job.key()
        return Job.from_item(self.table.get_item(Key={"pk": key.pk, "sk": key.sk})["Item"])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws(config=CONFIG):
        yield Aws()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, aws: Aws) -> tuple[Handlers, list[Any]]:
    """Stand-ins by the function's name, to be replaced, and what they were asked."""
    asked: list[tuple[str, Payload]] = []

    def deduplicate(_: Payload) -> Payload:
        aws.s3.put_object(
            Bucket=asl.VALUES["derived_bucket"], Key="manifest.json", Body=json.dumps(CHUNKS)
        )
        return {
            "photos": 3,
            "albumPhotos": 4,
            "chunks": CHUNKS,
            "manifestKey": "manifest.json",
            "inputManifestKey": "input.json",
            "outputPrefix": "found/",
        }

    handlers: Handlers = {
        "extract": lambda _: {"photos": 4, "more": False},
        "deduplicate": deduplicate,
        **{name: lambda _: {} for name in ("detect", "embed", "cluster", "notify")},
    }

    def invoke(
        _: Any, function_name: str, qualifier: Any, body: Any, headers: Any, response_headers: Any
    ) -> bytes:
        name = function_name.rpartition("-")[2]
        payload = json.loads(body)
        asked.append((name, payload))
        try:
            return json.dumps(handlers[name](payload)).encode()
        except (RetryLater, JobFailed) as error:
            response_headers["x-amz-function-error"] = "Unhandled"
            kind = type(error).__name__
            return json.dumps({"errorType": kind, "errorMessage": str(error)}).encode()

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
    return handlers, asked


def test_a_small_album(aws: Aws, calls: tuple[Handlers, list[Any]]) -> None:
    _, asked = calls
    done = aws.execute()
    assert done["status"] == "SUCCEEDED", done
    names = [name for name, _ in asked]
    assert names[:2] == ["extract", "deduplicate"] and names[-2:] == ["cluster", "notify"]
    assert asked[0][1] == IDS
    for step in ("detect", "embed"):
        given = sorted((p for n, p in asked if n == step), key=lambda p: p["photoIds"])
        assert given == [IDS | chunk for chunk in CHUNKS]
    assert names.index("embed") > max(i for i, n in enumerate(names) if n == "detect")


def test_a_very_large_album(aws: Aws, calls: tuple[Handlers, list[Any]]) -> None:
    """What counts as very large is set to the three photos that there are."""
    _, asked = calls
    aws.states.update_state_machine(
        stateMachineArn=aws.machine, definition=asl.render(small_photos=1, large_photos=2)
    )
    assert aws.execute()["status"] == "SUCCEEDED"
    for step in ("detect", "embed"):
        given = sorted((p for n, p in asked if n == step), key=lambda p: p["photoIds"])
        assert given == [IDS | chunk for chunk in CHUNKS]


def test_nothing_left_after_duplicates(aws: Aws, calls: tuple[Handlers, list[Any]]) -> None:
    handlers, asked = calls
    before = handlers["deduplicate"]
    handlers["deduplicate"] = lambda payload: before(payload) | {"photos": 0, "chunks": []}
    assert aws.execute()["status"] == "SUCCEEDED"
    assert [name for name, _ in asked] == ["extract", "deduplicate", "cluster", "notify"]


def test_extracting_goes_on_until_there_is_no_more(
    aws: Aws, calls: tuple[Handlers, list[Any]]
) -> None:
    handlers, asked = calls
    left = iter([True, True, False])
    handlers["extract"] = lambda _: {"photos": 4, "more": next(left)}
    assert aws.execute()["status"] == "SUCCEEDED"
    assert [name for name, _ in asked].count("extract") == 3


@pytest.mark.parametrize("step", ["extract", "detect", "embed", "cluster", "notify"])
def test_a_step_that_asks_for_it_is_tried_again(
    aws: Aws, calls: tuple[Handlers, list[Any]], step: str
) -> None:
    handlers, asked = calls
    before, refusals = handlers[step], iter([True])

    def once(payload: Payload) -> Any:
        if next(refusals, False):
            raise RetryLater("the endpoint is busy")
        return before(payload)

    handlers[step] = once
    assert aws.execute()["status"] == "SUCCEEDED"
    times = len(CHUNKS) if step in ("detect", "embed") else 1
    assert [name for name, _ in asked].count(step) == times + 1
    assert aws.row().error is None


EMULATOR = "moto's Distributed Map goes on when a child has failed; Step Functions' fails"


@pytest.mark.parametrize(
    "step",
    [
        *["extract", "deduplicate", "detect", "cluster", "notify"],
        pytest.param("embed", marks=pytest.mark.xfail(reason=EMULATOR)),
    ],
)
def test_a_step_that_cannot_be_done_is_not_tried_again(
    aws: Aws, calls: tuple[Handlers, list[Any]], step: str
) -> None:
    handlers, asked = calls

    def fail(_: Payload) -> Any:
        raise JobFailed("the album of Ann was deleted")

    handlers[step] = fail
    done = aws.execute()
    assert done.get("error") == "IngestionFailed", done
    names = [name for name, _ in asked]
    assert 1 <= names.count(step) <= len(CHUNKS)
    row = aws.row()
    assert row.state is JobState.FAILED and "Ann" not in str(row.error)


@pytest.mark.parametrize("step", ["extract", "deduplicate"])
def test_a_failure_is_in_the_row_of_the_job(
    aws: Aws, calls: tuple[Handlers, list[Any]], step: str
) -> None:
    handlers, asked = calls
    handlers[step] = lambda _: {"unexpected": True}
    done = aws.execute()
    assert done["status"] == "FAILED" and done["error"] == "IngestionFailed"
    assert "States.Runtime" in done["cause"]
    assert asked[-1][0] == step
    row = aws.row()
    assert row.state is JobState.FAILED and row.error is not None
    assert "unexpected" not in row.error, "people do not see what is inside"


def test_a_job_that_was_ended_meanwhile_stays_as_it_is(
    aws: Aws, calls: tuple[Handlers, list[Any]]
) -> None:
    handlers, _ = calls

    def extract(_: Payload) -> Payload:
        key = aws.job.key()
        aws.table.update_item(
            Key={"pk": key.pk, "sk": key.sk},
            UpdateExpression="SET #state = :done",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":done": "done"},
        )
        return {"unexpected": True}

    handlers["extract"] = extract
    assert aws.execute()["error"] == "IngestionFailed"
    row = aws.row()
    assert row.state is JobState.DONE and row.error is None
