"""What the functions of the state machine have in common: their input, and how they fail.

`RetryLater` is tried again by the machine, `JobFailed` fails the job. Any other error is tried
again too, as it is on one machine: it is raised as `RetryLater`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from api.lambdas import runtime
from api.lambdas.telemetry import Event, Handler, count, logger, observed
from api.workflow.attempts import describe
from api.workflow.context import JobContext, JobFailed, JobInterrupted, RetryLater
from api.workflow.step_functions import StepFunctionsWorkflow

_log = logging.getLogger(__name__)


class StageInput(BaseModel):
    """What the state machine gives a function; see docs/infra.md."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    user_id: str
    album_id: str
    job_id: str
    batch: str
    photo_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """An invocation: the job, the batch, and what is open."""

    context: JobContext
    given: StageInput
    workflow: StepFunctionsWorkflow
    open: runtime.Runtime


Work = Callable[[Stage], dict[str, Any]]
"""Does a stage, and returns what the state machine goes on with."""


def stage(work: Work, *, may_be_over: bool = False) -> Handler:
    """The handler of a stage.

    may_be_over: the stage ends a batch: it is asked whether it has, before it begins.
    """

    def handle(event: Event, context: LambdaContext) -> dict[str, Any]:
        given = StageInput.model_validate(event)
        logger.append_keys(album_id=given.album_id, job_id=given.job_id, batch=given.batch)
        return run_stage(given, runtime.deadline(context), work, may_be_over=may_be_over)

    return observed(handle)


def run_stage(
    given: StageInput, deadline: float, work: Work, *, may_be_over: bool = False
) -> dict[str, Any]:
    """Do a stage.

    Raises:
        JobFailed: trying again is no use.
        RetryLater: anything else.
    """
    opened = runtime.runtime()
    workflow = opened.workflow
    try:
        if may_be_over and workflow.was_ended(given.album_id, given.job_id, given.batch):
            return {"done": True}
        with workflow.stage(
            given.album_id, given.job_id, given.batch, deadline=deadline
        ) as context:
            try:
                return work(Stage(context, given, workflow, opened))
            except JobInterrupted as error:
                if context.interrupted.is_set() or not context.late:
                    raise JobFailed("cancelled") from error
                raise RetryLater("the time of the function was up") from error
    except (JobFailed, RetryLater) as error:
        count(type(error).__name__)
        raise
    except Exception as error:
        _log.exception("a stage failed")
        count("RetryLater")
        raise RetryLater(describe(error)) from error
