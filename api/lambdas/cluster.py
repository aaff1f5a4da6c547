"""Groups the faces of an album: as a function, or for very large albums as a task of its own,
``python -m api.lambdas.cluster``, which tells Step Functions that it is alive and how it ended.

The task finds in its environment ``FACEFLOW_TASK_TOKEN`` and the ids of `StageInput`:
``FACEFLOW_USER_ID``, ``FACEFLOW_ALBUM_ID``, ``FACEFLOW_JOB_ID`` and ``FACEFLOW_BATCH``.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.lambdas import runtime
from api.lambdas.stage import Stage, StageInput, run_stage, stage
from api.lambdas.telemetry import logger
from api.workflow import stages
from api.workflow.context import JobFailed, RetryLater
from faceflow_ml.errors import SettingsError
from faceflow_ml.settings import load_settings

_HEARTBEAT_SECONDS = 60.0
"""Of the 300 after which the state machine takes the task for dead."""
_MAX_CAUSE = 1000


def _cluster(at: Stage) -> dict[str, Any]:
    stages.cluster(at.context)
    return {}


handler = stage(_cluster)


class _TaskSettings(BaseSettings):
    """What the state machine tells the task."""

    model_config = SettingsConfigDict(env_prefix="FACEFLOW_", frozen=True, extra="ignore")

    task_token: SecretStr = Field(min_length=1)
    user_id: str = Field(min_length=1)
    album_id: str = Field(min_length=1)
    job_id: str = Field(min_length=1)
    batch: str = Field(min_length=1)


def main() -> int:
    """The task; returns its exit status: 2 if its settings cannot be used."""
    try:
        told = load_settings(_TaskSettings)
        states = runtime.runtime().client("stepfunctions")
    except SettingsError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    token = told.task_token.get_secret_value()
    given = StageInput.model_validate(told.model_dump(exclude={"task_token"}))
    logger.append_keys(album_id=given.album_id, job_id=given.job_id, batch=given.batch)
    # A task that is to stop says so; the machine then starts another.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with _heartbeat(states, token):
            result = run_stage(given, float("inf"), _cluster)
    except (JobFailed, RetryLater, _Terminated) as error:
        kind = "RetryLater" if isinstance(error, _Terminated) else type(error).__name__
        logger.error("the task failed", extra={"kind": kind, "reason": str(error)})
        states.send_task_failure(taskToken=token, error=kind, cause=str(error)[:_MAX_CAUSE])
        return 1
    states.send_task_success(taskToken=token, output=json.dumps(result))
    return 0


class _Terminated(BaseException):
    """The task was told to stop."""


def _terminate(*_: object) -> None:
    raise _Terminated("the task was told to stop")


@contextmanager
def _heartbeat(states: Any, token: str) -> Iterator[None]:
    done = Event()

    def beat() -> None:
        while not done.wait(_HEARTBEAT_SECONDS):
            try:
                states.send_task_heartbeat(taskToken=token)
            except Exception:  # noqa: BLE001 - several may be missed
                logger.exception("a heartbeat was lost")

    thread = Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
