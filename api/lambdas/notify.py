"""Tells who waits, and ends the job, or begins another batch if more has come meanwhile."""

from __future__ import annotations

from typing import Any

from api.lambdas.stage import Stage, stage
from api.workflow import stages


def _notify(at: Stage) -> dict[str, Any]:
    batch = at.given.batch
    stages.finish(at.context)
    again = stages.anything_left(at.context)
    return {"done": at.workflow.end_batch(at.context, batch, again=again)}


handler = stage(_notify, may_be_over=True)
