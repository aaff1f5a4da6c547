"""Working on a job whose slot this process holds: run, tried again after failures, ended."""

from __future__ import annotations

import logging
import random
import time

from api.domain.models import Job, JobState
from api.ids import now
from api.repositories.table import PRESENT, ConditionFailed, Update
from api.services import Services
from api.workflow.context import (
    Handlers,
    JobContext,
    JobFailed,
    JobInterrupted,
    RetryLater,
    RunOptions,
)
from api.workflow.jobs import JobRows
from api.workflow.slots import Slot

_log = logging.getLogger(__name__)


class Attempts(JobRows):
    """Jobs as rows, with the handlers that do them."""

    def __init__(
        self, services: Services, handlers: Handlers, owner: str, options: RunOptions
    ) -> None:
        super().__init__(services, owner, options)
        self._handlers = handlers

    def _run(self, context: JobContext) -> None:
        """Do a job until it is done, has failed, or has to wait for another attempt."""
        job = context.job
        while True:
            slot = self._slots.held(job)
            if slot is None:
                return
            if slot.cancelled:
                self.finish(slot, job, JobState.FAILED, "cancelled")
                return
            try:
                self._handlers[job.kind](context)
            except JobInterrupted:
                self._interrupted(job)
                return
            except JobFailed as error:
                self.finish(slot, job, JobState.FAILED, str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the job is tried again
                self._failed(slot, job, error)
                return
            if self.finish(slot, job, JobState.DONE, None, requests=slot.requests):
                return
            # Work came while it ran.

    def _renew(self, context: JobContext) -> None:
        """Say that this process is alive; the job is interrupted if it is no longer its own."""
        slot = self._slots.held(context.job)
        if slot is None or slot.cancelled:
            context.interrupted.set()
        elif slot.lease_until - time.time() < self._options.lease_seconds * 2 / 3:
            until = time.time() + self._options.lease_seconds
            expected = {"jobId": slot.job_id, "owner": self._owner}
            if not self._slots.alter(slot, {"leaseUntil": until}, expected):
                context.interrupted.set()

    def _released(self, job: Job, pause: float) -> None:
        """A job was let go of, to be taken up again after ``pause`` seconds."""

    def _take(self, job: Job, slot: Slot) -> bool:
        """Hold the slot of a job that nobody works on; False if somebody else was first."""
        changes = {
            "owner": self._owner,
            "leaseUntil": time.time() + self._options.lease_seconds,
        }
        expected = {
            "active": True,
            "jobId": job.id,
            "owner": slot.owner,
            "leaseUntil": slot.lease_until,
        }
        return self._slots.alter(slot, changes, expected)

    def _interrupted(self, job: Job) -> None:
        slot = self._slots.held(job)
        if slot is None:
            return
        if slot.cancelled:
            self.finish(slot, job, JobState.FAILED, "cancelled")
        else:
            self._slots.release(slot, 0.0)
            self._released(job, 0.0)

    def _failed(self, slot: Slot, job: Job, error: Exception) -> None:
        attempts = (self._services.jobs.get(job.key()) or job).attempts + 1
        reason = describe(error)
        level = logging.WARNING if isinstance(error, RetryLater) else logging.ERROR
        _log.log(
            level,
            "job failed",
            extra={"job": job.id, "kind": str(job.kind), "attempts": attempts, "reason": reason},
            exc_info=None if isinstance(error, RetryLater) else error,
        )
        if attempts >= self._options.max_attempts:
            self.finish(slot, job, JobState.FAILED, reason, attempts=attempts)
            return
        changes = {"attempts": attempts, "error": reason, "updatedAt": now()}
        try:
            self._services.table.write(Update(job.key(), changes, expect=PRESENT))
        except ConditionFailed:
            return
        pause = backoff(attempts, self._options)
        self._slots.release(slot, time.time() + pause)
        self._released(job, pause)


def backoff(attempts: int, options: RunOptions) -> float:
    """Seconds to pause after so many failures: exponential, with jitter."""
    longest = min(options.backoff_limit, options.backoff_seconds * 2.0 ** (attempts - 1))
    return longest * random.uniform(0.5, 1.0)


def describe(error: Exception) -> str:
    """A failure in a line, for the row of a job."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, RetryLater):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
