"""What moto's Step Functions cannot start: a Processing job that is waited for, and a task on
Fargate that tells by its token how it ended. Both are processes here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
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
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_factory as factory,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import (
    ResourceCondition,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

ROOT = Path(__file__).parents[3]
_OPT_ML = "/opt/ml/"


class Machines:
    """Starts what the state machine asks for.

    s3: boto3's client. environment: of processes that talk to AWS.
    asked: requests, as the state machine makes them.
    """

    def __init__(self, s3: Any, environment: dict[str, str]) -> None:
        self._s3 = s3
        self._environment = os.environ | environment | {"PYTHONPATH": str(ROOT)}
        self.asked: list[dict[str, Any]] = []

    def process(self, request: dict[str, Any]) -> int:
        """A Processing job on one machine, with SageMaker's folders; its exit code."""
        self.asked.append(request)
        (given,) = request["ProcessingInputs"]
        (found,) = request["ProcessingOutputConfig"]["Outputs"]
        assert given["S3Input"]["S3DataType"] == "ManifestFile"
        with TemporaryDirectory() as folder:
            source = Path(folder) / given["S3Input"]["LocalPath"].removeprefix(_OPT_ML)
            target = Path(folder) / found["S3Output"]["LocalPath"].removeprefix(_OPT_ML)
            head, *names = json.loads(self._read(given["S3Input"]["S3Uri"]))
            for name in names:
                file = source / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(self._read(head["prefix"] + name))
            target.mkdir(parents=True)
            arguments = request["AppSpecification"]["ContainerArguments"]
            environment = self._environment | {"SAGEMAKER_BASE_DIR": folder}
            done = subprocess.run(
                [sys.executable, "-m", "serving", *arguments], cwd=ROOT, env=environment
            )
            bucket, prefix = found["S3Output"]["S3Uri"].removeprefix("s3://").split("/", 1)
            for file in sorted(path for path in target.rglob("*") if path.is_file()):
                key = f"{prefix}/{file.relative_to(target)}"
                self._s3.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
            return done.returncode

    def run_task(self, request: dict[str, Any]) -> None:
        """A task on Fargate, with the project's module in a test's engine; not waited for."""
        self.asked.append(request)
        (container,) = request["Overrides"]["ContainerOverrides"]
        told = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
        subprocess.Popen(
            [sys.executable, "-m", "tests.api.lambdas.task"],
            cwd=ROOT,
            env=self._environment | told,
        )

    def _read(self, uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())


@contextmanager
def added(machines: Machines) -> Iterator[None]:
    """Step Functions can start these for the length of the block."""

    class Service(StateTaskServiceCallback):
        def __init__(self) -> None:
            super().__init__({ResourceCondition.Sync, ResourceCondition.WaitForTaskToken})

        def _validate_service_integration_is_supported(self) -> None:
            """It is."""

        def _normalise_parameters(self, parameters: dict[str, Any], *_: Any, **__: Any) -> None:
            """They stay as they are written."""

        def _normalise_response(self, *_: Any, **__: Any) -> None:
            """As above."""

    class Processing(Service):
        def _eval_service_task(
            self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, **_: Any
        ) -> None:
            self._code = machines.process(normalised_parameters)
            env.stack.append({"ProcessingJobName": normalised_parameters["ProcessingJobName"]})

        def _build_sync_resolver(self, env: Any, **_: Any) -> Callable[[], Any]:
            submitted = env.stack.pop()

            def resolve() -> Any:
                if self._code == 0:
                    return submitted | {"ProcessingJobStatus": "Completed"}
                kind = StatesErrorNameType.StatesTaskFailed
                details = TaskFailedEventDetails(
                    resource="createProcessingJob.sync",
                    resourceType="sagemaker",
                    error=kind.to_name(),
                    cause=f"AlgorithmError: exit code {self._code}",
                )
                raise FailureEventException(
                    FailureEvent(
                        env=env,
                        error_name=StatesErrorName(typ=kind),
                        event_type=HistoryEventType.TaskFailed,
                        event_details=EventDetails(taskFailedEventDetails=details),
                    )
                )

            return resolve

    class Fargate(Service):
        def _eval_service_task(
            self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, **_: Any
        ) -> None:
            machines.run_task(normalised_parameters)
            env.stack.append({"Tasks": []})

    before = factory.StateTaskServiceUnsupported, factory.StateTaskServiceEcs
    factory.StateTaskServiceUnsupported, factory.StateTaskServiceEcs = Processing, Fargate
    try:
        yield
    finally:
        factory.StateTaskServiceUnsupported, factory.StateTaskServiceEcs = before
