"""The workflow of one machine: jobs as rows, worked on by threads of this process.

A job is a row and a slot (see `slots`). Whoever works on it renews a lease on the slot; when the
lease runs out, because the process was killed, any other process takes the job over. Handlers are
idempotent and skip what is done, so a job that is taken over goes on where it was.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Condition, Lock, Thread
from typing import Any

from api import events, logs
from api.domain.models import Job, JobKind, JobState
from api.ids import new_id, now
from api.repositories.table import (
    ABSENT,
    PRESENT,
    ConditionFailed,
    Expect,
    Index,
    Update,
)
from api.services import Services
from api.workflow.context import (
    Handlers,
    JobContext,
    JobFailed,
    JobInterrupted,
    RetryLater,
    RunOptions,
)
from api.workflow.slots import Slot, Slots, write_if_there

_log = logging.getLogger(__name__)


class LocalWorkflow:
    """Durable jobs in this process; see `api.workflow.workflow.Workflow`.

    `resume` takes over what a stopped process left, and starts the thread that keeps leases and
    retries; `stop` ends it.
    """

    def __init__(
        self, services: Services, handlers: Handlers, options: RunOptions | None = None
    ) -> None:
        self._services = services
        self._handlers = handlers
        self._options = options or RunOptions()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
        self._slots = Slots(services.table, self._owner)
        self._pool = ThreadPoolExecutor(self._options.threads, thread_name_prefix="job")
        self._lock = Lock()
        self._running: dict[str, tuple[JobContext, Future[None]]] = {}
        self._wake = Condition()
        self._keeper: Thread | None = None
        self._stopping = False

    def start(self, kind: JobKind, user_id: str, album_id: str, subject: str = "") -> Job:
        """Start a job, or join the one that is going; see the port."""
        key = Slot.key_of(kind, album_id, subject, user_id)
        while True:
            slot = self._slots.get(key)
            if slot is not None and slot.active:
                job = self._join(slot)
                if job is not None:
                    return job
                continue
            moment = now()
            job = Job(
                id=new_id(),
                kind=kind,
                user_id=user_id,
                album_id=album_id,
                subject=subject,
                created_at=moment,
                updated_at=moment,
                request_id=logs.request_id(),
            )
            if self._begin(job, slot, self._services.jobs.put(job, ABSENT)):
                return job

    def status(self, album_id: str, job_id: str, user_id: str = "") -> Job | None:
        """The job as it is now."""
        return self._services.jobs.get(Job.key_of(album_id, job_id, user_id))

    def latest(self, kind: JobKind, album_id: str, subject: str = "") -> Job | None:
        """The job of this kind, album and subject that was started last."""
        slot = self._slots.get(Slot.key_of(kind, album_id, subject))
        return None if slot is None else self.status(album_id, slot.job_id)

    def retry(self, job: Job) -> Job:
        """Run a failed job again; joins the one that is going if there is one."""
        while True:
            slot = self._slots.get(Slot.of(job))
            if slot is not None and slot.active:
                going = self._join(slot)
                if going is not None:
                    return going
                continue
            changes = {"state": JobState.RUNNING, "attempts": 0, "error": None, "updated_at": now()}
            expect = Expect(True, {"state": JobState.FAILED})
            write, again = self._services.jobs.change(job, expect, **changes)
            if self._begin(again, slot, write):
                return again
            current = self._services.jobs.get(job.key())
            if current is None or current.state is not JobState.FAILED:
                return current or job

    def resume(self) -> None:
        """Go on with jobs whose process is gone, now and whenever one dies."""
        with self._lock:
            if self._keeper is None and not self._stopping:
                self._keeper = Thread(target=self._keep, name="job-keeper", daemon=True)
                self._keeper.start()

    def stop(self, timeout: float = 20.0) -> None:
        """Stop at the next checkpoint of every job; each is taken up again where it was.

        A job that does not reach a checkpoint in ``timeout`` seconds is left to its lease.
        """
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        with self._lock:
            running = list(self._running.values())
        for context, _ in running:
            context.interrupted.set()
        wait([future for _, future in running], timeout)
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._keeper is not None:
            self._keeper.join(timeout)

    def cancel(
        self, album_id: str, user_id: str = "", *, but: str = "", timeout: float = 60.0
    ) -> None:
        """End every job of an album or of the account, and wait; see the port."""
        pk = Job.key_of(album_id, "", user_id).pk
        limit = time.monotonic() + timeout
        while True:
            active = [slot for slot in self._slots.all(pk) if slot.active and slot.job_id != but]
            if not active:
                return
            for slot in active:
                self._cancel(slot)
            if time.monotonic() > limit:
                raise RetryLater(f"a job of kind {active[0].kind} does not stop")
            time.sleep(0.05)

    def idle(self, timeout: float) -> bool:
        """Wait until this process works on no job; False if it still does after ``timeout``."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            with self._lock:
                if not self._running:
                    return True
            time.sleep(0.01)
        return False

    def _join(self, slot: Slot) -> Job | None:
        job = self._services.jobs.get(Job.key_of(slot.album_id, slot.job_id, slot.user_id))
        if job is None:
            # The job's row was removed under it: the slot is free.
            self._slots.alter(slot, {"active": False}, {"active": True, "jobId": slot.job_id})
            return None
        expected = {"active": True, "jobId": slot.job_id}
        # Waiting for a retry? New work is a reason to try at once.
        changes = {"notBefore": 0.0}
        if not self._slots.alter(slot, changes, expected, {"requests": 1}):
            return None
        self._wake_up()
        return job

    def _begin(self, job: Job, slot: Slot | None, write: Any) -> bool:
        """Take the slot for ``job`` together with the job's own write, and run it."""
        mine = Slot(
            kind=job.kind,
            user_id=job.user_id,
            album_id=job.album_id,
            subject=job.subject,
            job_id=job.id,
            owner="" if self._stopping else self._owner,
            lease_until=time.time() + self._options.lease_seconds,
        )
        expect = ABSENT
        if slot is not None:
            expect = Expect(True, {"active": False, "jobId": slot.job_id})
        try:
            self._services.table.transact([write, self._slots.put(mine, expect)])
        except ConditionFailed:
            return False
        if not self._stopping:
            self._submit(job)
        return True

    def _submit(self, job: Job) -> None:
        context = JobContext(self._services, self, job, self._options)
        with self._lock:
            if job.id in self._running or self._stopping:
                return
            self._running[job.id] = (context, self._pool.submit(self._work, context))

    def _work(self, context: JobContext) -> None:
        job = context.job
        try:
            if self._slots.held(job) is not None:
                self._run(context)
        except Exception:  # noqa: BLE001 - a thread of the pool has nobody to raise to
            # The table itself failed: the lease runs out, and the job is tried again.
            _log.exception("job left to its lease", extra={"job": job.id})
        finally:
            with self._lock:
                self._running.pop(job.id, None)
            self._wake_up()

    def _run(self, context: JobContext) -> None:
        job = context.job
        while True:
            slot = self._slots.held(job)
            if slot is None:
                return
            if slot.cancelled:
                self._finish(slot, job, JobState.FAILED, "cancelled")
                return
            try:
                self._handlers[job.kind](context)
            except JobInterrupted:
                self._interrupted(job)
                return
            except JobFailed as error:
                self._finish(slot, job, JobState.FAILED, str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the job is tried again
                self._failed(slot, job, error)
                return
            if self._finish(slot, job, JobState.DONE, None, slot.requests):
                return
            # Work came while it ran.

    def _interrupted(self, job: Job) -> None:
        slot = self._slots.held(job)
        if slot is None:
            return
        if slot.cancelled:
            self._finish(slot, job, JobState.FAILED, "cancelled")
        else:
            self._slots.release(slot, 0.0)

    def _failed(self, slot: Slot, job: Job, error: Exception) -> None:
        attempts = (self._services.jobs.get(job.key()) or job).attempts + 1
        reason = str(error) if isinstance(error, RetryLater) else _describe(error)
        level = logging.WARNING if isinstance(error, RetryLater) else logging.ERROR
        _log.log(
            level,
            "job failed",
            extra={"job": job.id, "kind": str(job.kind), "attempts": attempts, "reason": reason},
            exc_info=None if isinstance(error, RetryLater) else error,
        )
        if attempts >= self._options.max_attempts:
            self._finish(slot, job, JobState.FAILED, reason, attempts=attempts)
            return
        changes = {"attempts": attempts, "error": reason, "updatedAt": now()}
        try:
            self._services.table.write(Update(job.key(), changes, expect=PRESENT))
        except ConditionFailed:
            return
        self._slots.release(slot, time.time() + backoff(attempts, self._options))

    def _finish(
        self,
        slot: Slot,
        job: Job,
        state: JobState,
        error: str | None,
        requests: int | None = None,
        attempts: int | None = None,
    ) -> bool:
        """End the job; False if it has been asked for again since ``requests``."""
        expected: dict[str, Any] = {"active": True, "jobId": job.id, "owner": self._owner}
        if requests is not None:
            expected["requests"] = requests
        current = self._services.jobs.get(job.key())
        if current is None:  # erased under us, with all it was about
            return True
        changes: dict[str, Any] = {"state": state, "error": error, "updated_at": now()}
        if state is JobState.DONE:
            changes |= {"progress": 1.0, "step": None}
        if attempts is not None:
            changes["attempts"] = attempts
        write, ended = self._services.jobs.change(current, PRESENT, **changes)
        free = Update(
            slot.key(),
            {"active": False, "owner": "", "leaseUntil": 0.0},
            expect=Expect(True, expected),
        )
        try:
            self._services.table.transact([write, free])
        except ConditionFailed:
            return False
        if job.album_id:
            events.publish(
                job.album_id, events.Event("job", ended.model_dump(mode="json", by_alias=True))
            )
        return True

    def _cancel(self, slot: Slot) -> None:
        self._slots.alter(slot, {"cancelled": True}, {"active": True, "jobId": slot.job_id})
        with self._lock:
            mine = self._running.get(slot.job_id)
        if mine is not None:
            mine[0].interrupted.set()
        elif slot.lease_until < time.time():
            # Nobody works on it: it ends here.
            job = Job.key_of(slot.album_id, slot.job_id, slot.user_id)
            changes = {"state": JobState.FAILED, "gsi1pk": f"JOB#{JobState.FAILED}"}
            expected = {"active": True, "jobId": slot.job_id, "owner": slot.owner}
            if self._slots.alter(slot, {"active": False}, expected):
                write_if_there(
                    self._services.table,
                    Update(job, changes | {"error": "cancelled"}, expect=PRESENT),
                )

    def _wake_up(self) -> None:
        with self._wake:
            self._wake.notify_all()

    def _keep(self) -> None:
        """Renew leases, and take over jobs that are due: retries, and those of the dead."""
        pause = min(self._options.lease_seconds / 4, 1.0)
        while not self._stopping:
            try:
                self._renew()
                pause_now = min(pause, self._take_over())
            except Exception:  # noqa: BLE001 - without the keeper nothing is taken over
                _log.exception("the keeper of jobs goes on after an error")
                pause_now = pause
            with self._wake:
                if not self._stopping:
                    self._wake.wait(max(pause_now, 0.01))

    def _renew(self) -> None:
        with self._lock:
            running = [context for context, _ in self._running.values()]
        for context in running:
            slot = self._slots.held(context.job)
            if slot is None or slot.cancelled:
                context.interrupted.set()
            elif slot.lease_until - time.time() < self._options.lease_seconds * 2 / 3:
                until = time.time() + self._options.lease_seconds
                expected = {"jobId": slot.job_id, "owner": self._owner}
                if not self._slots.alter(slot, {"leaseUntil": until}, expected):
                    context.interrupted.set()

    def _take_over(self) -> float:
        """Take over what is due; the seconds until the next is."""
        next_due = float("inf")
        for job in self._services.jobs.index_all(Index.GSI1, f"JOB#{JobState.RUNNING}"):
            slot = self._slots.get(Slot.of(job))
            if slot is None or not slot.active or slot.job_id != job.id:
                continue
            with self._lock:
                if job.id in self._running:
                    continue
            due = max(slot.lease_until, slot.not_before) - time.time()
            if due > 0:
                next_due = min(next_due, due)
                continue
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
            if self._slots.alter(slot, changes, expected):
                self._submit(job)
        return next_due


def backoff(attempts: int, options: RunOptions) -> float:
    """Seconds to pause after so many failures: exponential, with jitter."""
    longest = min(options.backoff_limit, options.backoff_seconds * 2.0 ** (attempts - 1))
    return longest * random.uniform(0.5, 1.0)


def _describe(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
