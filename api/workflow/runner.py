"""The workflow of one machine: jobs as rows, worked on by threads of this process.

A job is a row and a slot (see `slots`). Whoever works on it renews a lease on the slot; when the
lease runs out, because the process was killed, any other process takes the job over. Handlers are
idempotent and skip what is done, so a job that is taken over goes on where it was.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Condition, Lock, Thread

from api.domain.models import Job, JobState
from api.heap import give_back
from api.repositories.table import Index
from api.services import Services
from api.workflow.attempts import Attempts
from api.workflow.context import Handlers, JobContext, RunOptions
from api.workflow.jobs import Lease
from api.workflow.slots import Slot, process_name

_log = logging.getLogger(__name__)


class LocalWorkflow(Attempts):
    """Durable jobs in this process; see `api.workflow.workflow.Workflow`.

    `resume` takes over what a stopped process left, and starts the thread that keeps leases and
    retries; `stop` ends it.
    """

    def __init__(
        self, services: Services, handlers: Handlers, options: RunOptions | None = None
    ) -> None:
        super().__init__(services, handlers, process_name(), options or RunOptions())
        self._pool = ThreadPoolExecutor(self._options.threads, thread_name_prefix="job")
        self._lock = Lock()
        self._running: dict[str, tuple[JobContext, Future[None]]] = {}
        self._wake = Condition()
        self._keeper: Thread | None = None
        self._stopping = False

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

    def idle(self, timeout: float) -> bool:
        """Wait until this process works on no job; False if it still does after ``timeout``."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            with self._lock:
                if not self._running:
                    return True
            time.sleep(0.01)
        return False

    def _new_lease(self) -> Lease:
        owner = "" if self._stopping else self._owner
        return Lease(owner, time.time() + self._options.lease_seconds)

    def _started(self, job: Job, slot: Slot) -> None:  # noqa: ARG002 - the slot is in the table
        if not self._stopping:
            self._submit(job)

    def _joined(self, job: Job, slot: Slot) -> None:  # noqa: ARG002 - whoever holds it goes on
        self._wake_up()

    def _halt(self, slot: Slot) -> bool:
        with self._lock:
            mine = self._running.get(slot.job_id)
        if mine is not None:
            mine[0].interrupted.set()
        return mine is not None

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
            # Photos and vectors have come and gone: the process would grow with every job.
            give_back()

    def _wake_up(self) -> None:
        with self._wake:
            self._wake.notify_all()

    def _keep(self) -> None:
        """Renew leases, and take over jobs that are due: retries, and those of the dead."""
        pause = min(self._options.lease_seconds / 4, 1.0)
        while not self._stopping:
            try:
                with self._lock:
                    running = [context for context, _ in self._running.values()]
                for context in running:
                    self._renew(context)
                pause_now = min(pause, self._take_over())
            except Exception:  # noqa: BLE001 - without the keeper nothing is taken over
                _log.exception("the keeper of jobs goes on after an error")
                pause_now = pause
            with self._wake:
                if not self._stopping:
                    self._wake.wait(max(pause_now, 0.01))

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
            elif self._take(job, slot):
                self._submit(job)
        return next_due
