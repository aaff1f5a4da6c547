"""The workflow on AWS: ingestions are executions of a state machine, other jobs messages.

Jobs and slots are rows as on one machine. An execution is one batch of an ingestion: its name is
made of the album, the job and the number of the batch, so that starting it twice starts it once. A
start that comes while a batch is going is met by another batch after it. Functions and the
consumers of the queue hold a lease on the slot while they work; see
docs/decisions/0041-a-batch-is-an-execution.md.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from botocore.exceptions import ClientError

from api.domain.models import Job, JobKind, JobState
from api.repositories.table import PRESENT, Index
from api.services import Services
from api.workflow.attempts import Attempts
from api.workflow.context import Handlers, JobContext, JobFailed, RunOptions
from api.workflow.slots import Slot, process_name

_log = logging.getLogger(__name__)

_MAX_DELAY = 900
"""Seconds: SQS delays a message for so long at most."""
_ENDED_BADLY = ("FAILED", "TIMED_OUT", "ABORTED")
_CANCELLED = "cancelled"
_DIED = "whoever worked on it died, each time"


@dataclass(frozen=True)
class Batch:
    """One execution of an ingestion."""

    album_id: str
    job_id: str
    run: int

    @property
    def name(self) -> str:
        """Of the job and the batch; with the album before it, the execution's name."""
        return f"{self.job_id}-{self.run}"

    @classmethod
    def of_slot(cls, slot: Slot) -> Batch:
        """The one that a slot is at."""
        return cls(slot.album_id, slot.job_id, slot.run)

    @classmethod
    def parse(cls, execution: str) -> Batch:
        """From the name of an execution.

        Raises:
            ValueError: it is none of ours.
        """
        album_id, job_id, run = execution.split("-")
        return cls(album_id, job_id, int(run))


class StepFunctionsWorkflow(Attempts):
    """See `api.workflow.workflow.Workflow`.

    Args:
        states, queue: boto3's clients of Step Functions and SQS.
        machine: ARN of the state machine. queue_url: where other jobs go.
    """

    _cancel_poll = 1.0

    def __init__(
        self,
        services: Services,
        handlers: Handlers,
        *,
        states: Any,
        machine: str,
        queue: Any,
        queue_url: str,
        options: RunOptions | None = None,
    ) -> None:
        super().__init__(services, handlers, process_name(), options or RunOptions())
        self._states = states
        self._machine = machine
        self._queue = queue
        self._queue_url = queue_url

    def resume(self) -> None:
        """Start what was written down and never started, and end what ended without saying so."""
        for job in self._services.jobs.index_all(Index.GSI1, f"JOB#{JobState.RUNNING}"):
            slot = self._slots.get(Slot.of(job))
            if slot is not None and slot.active and slot.job_id == job.id:
                self._dispatch(job, slot)

    def work(self, album_id: str, user_id: str, job_id: str, *, deadline: float) -> None:
        """Work on a job that a message names, until it has ended or ``deadline`` has come; nothing
        if somebody else does, or it is not its time yet.

        deadline: time of ``time.monotonic``.
        """
        job = self.status(album_id, job_id, user_id)
        slot = None if job is None else self._slots.get(Slot.of(job))
        if job is None or slot is None or not slot.active or slot.job_id != job_id:
            return
        if slot.lease_until > time.time():
            return
        if slot.not_before > time.time():
            self._send(job, slot.not_before - time.time())
            return
        died = slot.owner != ""
        if not self._take(job, slot):
            return
        context = JobContext(self._services, self, job, self._options, deadline=deadline)
        with self._kept(lambda: self._renew(context)):
            if died and self._give_up(job):
                return
            self._run(context)

    def _give_up(self, job: Job) -> bool:
        """The process that worked on a job has died: count that. Was it one time too many?"""
        held = self._slots.held(job)
        attempts = job.attempts + 1
        if held is not None and attempts >= self._options.max_attempts:
            return self.finish(held, job, JobState.FAILED, _DIED, attempts=attempts)
        self._services.jobs.update(job, PRESENT, attempts=attempts)
        return False

    @contextmanager
    def stage(
        self, album_id: str, job_id: str, batch: str, *, deadline: float
    ) -> Iterator[JobContext]:
        """Work on a stage of a batch, as a function of the state machine; several may at a time.

        Raises:
            JobFailed: the job has ended, or another batch has taken this one's place.
        """
        job = self.status(album_id, job_id)
        slot = self._slot_of(job, batch)
        if job is None or slot is None or job.state is not JobState.RUNNING:
            raise JobFailed(_CANCELLED)
        context = JobContext(self._services, self, job, self._options, deadline=deadline)
        self._attend(context, batch)
        if context.interrupted.is_set():
            raise JobFailed(_CANCELLED)
        with self._kept(lambda: self._attend(context, batch)):
            yield context

    def look_for_work(self, context: JobContext, batch: str) -> None:
        """A batch is about to look for what waits: starts from here on ask for another."""
        slot = self._slot_of(context.job, batch)
        if slot is not None:
            self._slots.alter(slot, {"seen": slot.requests}, {"jobId": slot.job_id})

    def was_ended(self, album_id: str, job_id: str, batch: str) -> bool:
        """Was a batch ended before, by a function whose answer got lost? The batch that comes after
        it, if any, is going then."""
        job = self.status(album_id, job_id)
        slot = None if job is None else self._slots.get(Slot.of(job))
        if job is None or slot is None or slot.job_id != job_id:
            return False
        if slot.active and slot.run > Batch.parse(f"{album_id}-{batch}").run:
            self._execute(job, slot)
            return True
        return job.state is JobState.DONE

    def end_batch(self, context: JobContext, batch: str, *, again: bool) -> bool:
        """A batch is through: end the job, or begin another batch. Did the job end?

        again: there is more to do, whoever asked for it.
        """
        slot = self._slot_of(context.job, batch)
        if slot is None:
            return False
        done = not again and self.finish(slot, context.job, JobState.DONE, None, requests=slot.seen)
        if done:
            return True
        expected = {"active": True, "jobId": slot.job_id, "run": slot.run, "cancelled": False}
        if self._slots.alter(slot, {"run": slot.run + 1, "leaseUntil": 0.0}, expected):
            self._execute(context.job, slot.model_copy(update={"run": slot.run + 1}))
        return False

    def ended(self, execution: str, status: str) -> None:
        """An execution has ended, as its name and Step Functions' word for it tell; what ended
        badly is put right, so that the job can be started again.

        Raises:
            ValueError: it is no ingestion of ours.
        """
        if status in _ENDED_BADLY:
            self._put_right(Batch.parse(execution), status)

    def _started(self, job: Job, slot: Slot) -> None:
        self._dispatch(job, slot)

    def _joined(self, job: Job, slot: Slot) -> None:
        # Whoever started it may have died before anybody heard of it.
        self._dispatch(job, slot.model_copy(update={"not_before": 0.0}))

    def _released(self, job: Job, pause: float) -> None:
        self._send(job, pause)

    def _halt(self, slot: Slot) -> bool:
        if slot.kind is JobKind.INGEST:
            try:
                self._states.stop_execution(
                    executionArn=self._execution_arn(slot), cause=_CANCELLED
                )
            except ClientError as error:
                if _code(error) != "ExecutionDoesNotExist":
                    raise
        return False

    def _dispatch(self, job: Job, slot: Slot) -> None:
        if job.kind is JobKind.INGEST:
            self._execute(job, slot)
        elif slot.lease_until < time.time():
            self._send(job, max(slot.not_before - time.time(), 0.0))

    def _execute(self, job: Job, slot: Slot) -> None:
        batch = Batch.of_slot(slot)
        given = {
            "userId": job.user_id,
            "albumId": job.album_id,
            "jobId": job.id,
            "batch": batch.name,
        }
        try:
            self._states.start_execution(
                stateMachineArn=self._machine,
                name=f"{batch.album_id}-{batch.name}",
                input=json.dumps(given),
            )
        except ClientError as error:
            if _code(error) != "ExecutionAlreadyExists":
                raise
            # It has ended. Well: then the job has too, or will in a moment.
            found = self._states.describe_execution(executionArn=self._execution_arn(slot))
            if found["status"] in _ENDED_BADLY:
                self._put_right(batch, found["status"])

    def _put_right(self, batch: Batch, status: str) -> None:
        job = self.status(batch.album_id, batch.job_id)
        slot = self._slot_of(job, batch.name)
        if job is None or slot is None:
            return
        reason = job.error if job.state is JobState.FAILED else None
        reason = reason or f"taking the photos in ended: {status}"
        _log.warning("an ingestion ended badly", extra={"job": job.id, "reason": reason})
        self.finish(slot, job, JobState.FAILED, reason)

    def _send(self, job: Job, pause: float) -> None:
        message = {"userId": job.user_id, "albumId": job.album_id, "jobId": job.id}
        self.send({"job": message}, pause)

    def send(self, message: dict[str, Any], pause: float = 0.0) -> None:
        """Put a message into the queue of jobs, to arrive after ``pause`` seconds, at most 900."""
        self._queue.send_message(
            QueueUrl=self._queue_url,
            MessageBody=json.dumps(message),
            DelaySeconds=min(math.ceil(pause), _MAX_DELAY),
        )

    def _slot_of(self, job: Job | None, batch: str) -> Slot | None:
        """The slot that a batch holds; None if it holds none any more."""
        slot = None if job is None else self._slots.get(Slot.of(job))
        if slot is None or not slot.active or Batch.of_slot(slot).name != batch:
            return None
        return slot

    def _attend(self, context: JobContext, batch: str) -> None:
        """Say that a stage is worked on, so that whoever cancels waits for it."""
        slot = self._slot_of(context.job, batch)
        if slot is None or slot.cancelled:
            context.interrupted.set()
            return
        until = {"leaseUntil": time.time() + self._options.lease_seconds}
        expected = {"active": True, "jobId": slot.job_id, "run": slot.run}
        if not self._slots.alter(slot, until, expected):
            context.interrupted.set()

    @contextmanager
    def _kept(self, renew: Callable[[], None]) -> Iterator[None]:
        """Renew a lease now and then for the length of the block."""
        done = Event()

        def keep() -> None:
            while not done.wait(self._options.lease_seconds / 4):
                try:
                    renew()
                except Exception:  # noqa: BLE001 - the next time it may go well
                    _log.exception("a lease was not renewed")

        keeper = Thread(target=keep, name="lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    def _execution_arn(self, slot: Slot) -> str:
        batch = Batch.of_slot(slot)
        base = self._machine.replace(":stateMachine:", ":execution:")
        return f"{base}:{batch.album_id}-{batch.name}"


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
