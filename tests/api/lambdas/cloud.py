"""The ingestion on AWS, on the loopback interface: bucket, bus, queues, functions, state machine.

The functions are the project's own handlers, run by moto's interpreter of the state machine that
Terraform makes. Added to moto here:

- Lambda itself (`Emulator.functions`) and the mappings from queues to functions.
- A child of a Distributed Map that fails fails the Map.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Event, Thread, local
from typing import Any

import boto3
from moto.core.config import default_user_config
from moto.stepfunctions.parser.api import HistoryEventType, MapRunFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as distributed,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError
from moto.stepfunctions.parser.asl.utils import boto_client

from api.aws import open_aws_services, open_aws_workflow
from api.handlers import job_handlers
from api.lambdas import cluster, deduplicate, detect, embed, extract, ingest, jobs, notify, runtime
from api.objects.s3_store import S3ObjectStore
from api.services import Services
from api.settings import Settings
from api.workflow.context import Handlers, RetryLater, RunOptions
from api.workflow.step_functions import StepFunctionsWorkflow
from tests.api.contract.conftest import Account
from tests.api.lambdas.recording import Asked, recording
from tests.infra import asl
from tests.infra.uses import TABLE, USES

STAGES = {
    module.__name__.rpartition(".")[2]: module.handler
    for module in (extract, deduplicate, detect, embed, cluster, notify)
}
OPTIONS = RunOptions(
    lease_seconds=1.0, max_attempts=3, backoff_seconds=0.02, backoff_limit=0.1, progress_seconds=0
)


class Context:
    """What Lambda tells a function about its invocation."""

    memory_limit_in_mb = 1024

    def __init__(self, name: str, seconds: float = 60.0) -> None:
        self.function_name = name
        self.invoked_function_arn = f"arn:aws:lambda:eu-central-1:123456789012:function:{name}"
        self.aws_request_id = str(uuid.uuid4())
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self._end - time.monotonic()) * 1000))


class Lost(Exception):
    """The function does its work, and its answer gets lost."""


class _Clients:
    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Any] = {}

    def client(self, service_name: str, region_name: str, **options: Any) -> Any:
        key = (service_name, region_name)
        if key not in self._made:
            self._made[key] = boto3.client(service_name, region_name, **options)
        return self._made[key]


@contextmanager
def interpreted(port: str) -> Iterator[None]:
    """moto's Step Functions executes, with its functions behind ``port``."""
    before = default_user_config.get("stepfunctions", {})
    port_before = os.environ.get("MOTO_PORT")
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    os.environ["MOTO_PORT"] = port
    worker = distributed.DistributedItemProcessorWorker
    evaluate = worker._eval_job

    def fails(self: Any, env: Any, job: Any) -> None:
        evaluate(self, env, job)
        if isinstance(env.program_state(), ProgramError):
            kind = StatesErrorNameType.StatesExceedToleratedFailureThreshold
            job.job_output = FailureEventException(
                FailureEvent(
                    env=env,
                    error_name=StatesErrorName(typ=kind),
                    event_type=HistoryEventType.MapRunFailed,
                    event_details=EventDetails(
                        mapRunFailedEventDetails=MapRunFailedEventDetails(
                            error=kind.to_name(), cause="a child failed"
                        )
                    ),
                )
            )

    worker._eval_job = fails
    # moto makes a client for each call, which takes longer than the call.
    boto_client.boto3 = _Clients()
    try:
        yield
    finally:
        worker._eval_job = evaluate
        boto_client.boto3 = boto3
        default_user_config["stepfunctions"] = before
        if port_before is None:
            del os.environ["MOTO_PORT"]
        else:
            os.environ["MOTO_PORT"] = port_before


@dataclass
class Cloud:
    """Everything that Terraform makes for the ingestion.

    asked: functions of the state machine in the order in which they were invoked, and with what.
    trouble: what the next invocations of a function raise instead, by its name.
    dead: messages that failed too often.
    uses: what each function asked of AWS, as IAM knows it, and of which bucket.
    """

    account: Account
    services: Services
    workflow: StepFunctionsWorkflow
    machine: str
    queues: dict[str, str]
    asked: list[tuple[str, Any]] = field(default_factory=list)
    trouble: dict[str, deque[Exception | None]] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    uses: dict[str, set[str]] = field(default_factory=dict)
    opened: Callable[[str], runtime.Runtime] = field(init=False)
    _failures: dict[str, int] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.account.emulator.client(service)

    def invoke(self, name: str, event: Any) -> Any:
        """A function of the state machine."""
        self.asked.append((name, event))
        waiting = self.trouble.get(name)
        error = waiting.popleft() if waiting else None
        if error is not None and not isinstance(error, Lost):
            raise error
        with _as(name):
            answer = STAGES[name](event, Context(f"faceflow-dev-{name}"))
        if error is not None:
            raise RetryLater("the answer got lost")
        return answer

    def deliver(self) -> int:
        """Hand messages to their functions, as the mappings do; returns how many there were."""
        sqs = self.client("sqs")
        total = 0
        for name, handler, size in (("ingestion", ingest.handler, 10), ("jobs", jobs.handler, 1)):
            url = self.queues[name]
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=size).get("Messages", [])
            if not found:
                continue
            total += len(found)
            records = [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": {},
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                    "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{name}",
                    "awsRegion": "eu-central-1",
                }
                for message in found
            ]
            function = {"ingestion": "ingest"}.get(name, name)
            with _as(function):
                answer = handler({"Records": records}, Context(f"faceflow-dev-{function}"))
            failed = {entry["itemIdentifier"] for entry in answer["batchItemFailures"]}
            for record in records:
                if record["messageId"] in failed:
                    self._again(record, url)
                if record["messageId"] not in failed or record["body"] in self.dead:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])
        return total

    def _again(self, record: dict[str, Any], url: str) -> None:
        tries = self._failures[record["messageId"]] = self._failures.get(record["messageId"], 0) + 1
        if tries >= 3:
            self.dead.append(record["body"])
            return
        self.client("sqs").change_message_visibility(
            QueueUrl=url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Messages are delivered for the length of the block."""
        done = Event()
        problems: list[BaseException] = []

        def deliver() -> None:
            while not done.is_set():
                try:
                    if not self.deliver():
                        done.wait(0.05)
                except BaseException as error:  # noqa: BLE001 - told below
                    problems.append(error)
                    return

        thread = Thread(target=deliver, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        if problems:
            raise problems[0]

    def executions(self, status: str | None = None) -> list[dict[str, Any]]:
        """Executions of the state machine."""
        given = {} if status is None else {"statusFilter": status}
        found = self.client("stepfunctions").list_executions(stateMachineArn=self.machine, **given)
        return list(found["executions"])

    def settle(self, timeout: float = 300.0) -> None:
        """Wait until nothing is executed and no message waits."""
        limit = time.monotonic() + timeout
        while self.executions("RUNNING") or self.waiting():
            assert time.monotonic() < limit, [name for name, _ in self.asked]
            time.sleep(0.2)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What is asked of AWS meanwhile is the test's own doing, and of no function."""
        before = {function: set(seen) for function, seen in self.uses.items()}
        try:
            yield
        finally:
            for function, seen in self.uses.items():
                seen &= before.get(function, set())

    def waiting(self) -> int:
        """Messages in the queues, those in work included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        names.append("ApproximateNumberOfMessagesDelayed")
        sqs = self.client("sqs")
        return sum(
            int(number)
            for url in self.queues.values()
            for number in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)[
                "Attributes"
            ].values()
        )


def open_cloud(
    account: Account,
    settings: Settings,
    patch: Callable[[Any, str, Any], None],
    *,
    engine: Any,
    handlers: Handlers | None = None,
    **sizes: int,
) -> Cloud:
    """A cloud over an account.

    patch: sets an attribute until the test has ended.
    sizes: values of the state machine.
    """
    emulator = account.emulator
    name = account.settings.table
    sqs = emulator.client("sqs")
    queues = {
        kind: sqs.create_queue(QueueName=f"{name}-{kind}")["QueueUrl"]
        for kind in ("ingestion", "jobs")
    }
    _announce_uploads(account, queues["ingestion"])
    functions = {f"{step}_function": f"{asl._FUNCTION}{name}-{step}" for step in STAGES}
    places = {"derived_bucket": account.settings.derived_bucket, "table": name}
    definition = asl.render(**(functions | places | {"distributed_concurrency": 4} | sizes))
    machine = emulator.client("stepfunctions").create_state_machine(
        name=name,
        # Seconds of waiting would be seconds of the test.
        definition=definition.replace('"IntervalSeconds": 2,', '"IntervalSeconds": 1,').replace(
            '"IntervalSeconds": 10,', '"IntervalSeconds": 1,'
        ),
        roleArn=f"arn:aws:iam::{asl.ACCOUNT}:role/states",
    )["stateMachineArn"]
    secrets = emulator.client("secretsmanager")
    try:
        keys = secrets.create_secret(Name=f"{name}-keys", SecretString="k" * 32)
    except secrets.exceptions.ResourceExistsException:  # the account was opened before
        keys = secrets.describe_secret(SecretId=f"{name}-keys")
    aws = account.settings.model_copy(
        update={
            "state_machine_arn": machine,
            "jobs_queue_url": queues["jobs"],
            "signing_keys_secret": keys["ARN"],
        }
    )
    given = job_handlers() if handlers is None else handlers
    uses: dict[str, set[str]] = {}

    def open_for(function: str) -> runtime.Runtime:
        seen = uses.setdefault(function, set())
        client = cache(partial(recording, emulator, aws, seen))
        services = open_aws_services(
            settings, Asked(engine, seen), aws=aws, client=client, deferred=True
        )
        workflow = open_aws_workflow(services, given, aws=aws, client=client)
        assert workflow is not None
        workflow._options = OPTIONS
        workflow._cancel_poll = 0.05
        return runtime.Runtime(services, workflow, aws, client)

    # Each function is a process of its own; this one is the application's.
    opened = cache(open_for)
    patch(runtime, "runtime", lambda: opened(getattr(_current, "function", "api")))
    api = opened("api")
    cloud = Cloud(account, api.services, api.workflow, machine, queues, uses=uses)
    cloud.opened = opened
    for step in STAGES:

        def invoke(event: Any, step: str = step) -> Any:
            return cloud.invoke(step, event)

        emulator.functions[f"faceflow-dev-{name}-{step}"] = invoke
    return cloud


def close_cloud(cloud: Cloud) -> None:
    """Give back what it holds; the functions have done nothing that they may not."""
    excess = {}
    for function, seen in cloud.uses.items():
        services = cloud.opened(function).services
        services.table.close()
        assert isinstance(services.objects, S3ObjectStore)
        services.objects.close()
        if not seen <= USES[function] | TABLE:
            excess[function] = sorted(seen - USES[function] - TABLE)
    assert not excess, excess


_current = local()


@contextmanager
def _as(function: str) -> Iterator[None]:
    _current.function = function
    try:
        yield
    finally:
        del _current.function


def _announce_uploads(account: Account, queue_url: str) -> None:
    """The rule of Terraform: S3 tells EventBridge, which tells the queue."""
    bucket = account.settings.raw_bucket
    account.emulator.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    arn = account.emulator.client("sqs").get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    events = account.emulator.client("events")
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": "tenant/"}]}},
    }
    events.put_rule(Name=bucket, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=bucket, Targets=[{"Id": "queue", "Arn": arn}])
