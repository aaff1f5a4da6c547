"""Re-embedding every album of a folder, for a deployment of another embedder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from api.domain.models import Job, JobState
from api.engine.engine import FaceEngine
from api.handlers import job_handlers
from api.home import open_services
from api.settings import Settings
from api.workflow.context import RunOptions
from api.workflow.reembedding import start_stale
from api.workflow.runner import LocalWorkflow

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    """How many albums have the new vectors, and how many could not be done."""

    done: int
    failed: int


def reembed_albums(
    settings: Settings,
    *,
    every: bool = False,
    say: Callable[[str], None] = lambda _: None,
    engine: FaceEngine | None = None,
    options: RunOptions | None = None,
) -> Outcome:
    """Re-embed the albums whose vectors are of another embedder, one after the other.

    Args:
        every: look through all albums.
        say: told what is going on, a line each time.
        engine: instead of the shipped models.
        options: how jobs are run; None: one at a time.

    Raises:
        ValueError: a secret is missing that has no default outside ``local``.
    """
    services = open_services(settings, engine)
    workflow = LocalWorkflow(services, job_handlers(), options or RunOptions(threads=1))
    try:
        workflow.resume()
        jobs = start_stale(services, workflow, every=every)
        ended = [_ended(workflow, job, say) for job in jobs]
    finally:
        workflow.stop()
        services.table.close()
    failed = sum(state is JobState.FAILED for state in ended)
    return Outcome(len(ended) - failed, failed)


def _ended(workflow: LocalWorkflow, job: Job, say: Callable[[str], None]) -> JobState:
    """Wait for the end of a job, and say how far it is at each step."""
    said = ""
    while True:
        now = workflow.status(job.album_id, job.id)
        if now is None:  # the album was deleted, and its jobs with it
            return JobState.DONE
        line = f"album {job.album_id}: {now.error or now.step or now.state} {now.progress:.0%}"
        if line != said:
            say(line)
            said = line
        if now.state is not JobState.RUNNING:
            return now.state
        time.sleep(_POLL_SECONDS)
