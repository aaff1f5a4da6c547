"""Groups the faces of an album: as a function, or for very large albums as a task of its own,
``python -m api.lambdas.cluster``, which tells Step Functions that it is alive and how it ended.

The task finds in its environment ``FACEFLOW_TASK_TOKEN`` and the ids of `StageInput`:
``FACEFLOW_USER_ID``, ``FACEFLOW_ALBUM_ID``, ``FACEFLOW_JOB_ID`` and ``FACEFLOW_BATCH``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from api.lambdas import runtime
from api.lambdas.stage import Stage, StageInput, run_stage, stage
from api.lambdas.telemetry import logger
from api.workflow import stages
from api.workflow.context import JobFailed, RetryLater

_HEARTBEAT_SECONDS = 60.0
"""Of the 300 after which the state machine takes the task for dead."""
_MAX_CAUSE = 1000


def _cluster(at: Stage) -> dict[str, Any]:
    stages.cluster(at.context)
    return {}


handler = stage(_cluster)


def main() -> int:
    """The task; returns its exit status."""
    token = os.environ["FACEFLOW_TASK_TOKEN"]
    given = StageInput(
        user_id=os.environ["FACEFLOW_USER_ID"],
        album_id=os.environ["FACEFLOW_ALBUM_ID"],
        job_id=os.environ["FACEFLOW_JOB_ID"],
        batch=os.environ["FACEFLOW_BATCH"],
    )
    logger.append_keys(album_id=given.album_id, job_id=given.job_id, batch=given.batch)
    # A task that is to stop says so; the machine then starts another.
    signal.signal(signal.SIGTERM, _terminate)
    states = runtime.runtime().client("stepfunctions")
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
