"""Jobs as rows, each with a slot (see `slots`): started, joined, tried again, cancelled, ended.

What is the same on every home. Who works on a job, and how they hear of it, is each home's own.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from api import events, logs
from api.domain.models import Job, JobKind, JobState
from api.ids import new_id, now
from api.repositories.table import ABSENT, PRESENT, ConditionFailed, Expect, Update
from api.services import Services
from api.workflow.context import RetryLater, RunOptions
from api.workflow.slots import Slot, Slots, write_if_there


@dataclass(frozen=True)
class Lease:
    """Who holds a slot, and until when (epoch seconds); nobody if ``owner`` is empty."""

    owner: str = ""
    until: float = 0.0


class JobRows(ABC):
    """The part of a workflow that is rows; see `api.workflow.workflow.Workflow`.

    owner: this process, as it stands in the slots that it holds.
    """

    _cancel_poll = 0.05
    """Seconds between looks at jobs that are to end."""

    def __init__(self, services: Services, owner: str, options: RunOptions) -> None:
        self._services = services
        self._owner = owner
        self._options = options
        self._slots = Slots(services.table, owner)

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
            time.sleep(self._cancel_poll)

    def finish(
        self,
        slot: Slot,
        job: Job,
        state: JobState,
        error: str | None,
        *,
        requests: int | None = None,
        attempts: int | None = None,
    ) -> bool:
        """End a job whose slot is as given; False if the slot is another's by now, or the job has
        been asked for again since there were ``requests``."""
        expected: dict[str, Any] = {"active": True, "jobId": job.id, "owner": slot.owner}
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

    def _new_lease(self) -> Lease:
        """Who holds the slot of a job that begins."""
        return Lease()

    @abstractmethod
    def _started(self, job: Job, slot: Slot) -> None:
        """A job has begun: let somebody work on it."""

    @abstractmethod
    def _joined(self, job: Job, slot: Slot) -> None:
        """A job that is going was asked for again. ``slot``: as it was before."""

    @abstractmethod
    def _halt(self, slot: Slot) -> bool:
        """A job is to stop. True: it may be going on in this process, which ends it itself."""

    def _join(self, slot: Slot) -> Job | None:
        job = self._services.jobs.get(Job.key_of(slot.album_id, slot.job_id, slot.user_id))
        if job is None or job.state is not JobState.RUNNING:
            # The job's row was removed or ended under it: the slot is free.
            self._slots.alter(slot, {"active": False}, {"active": True, "jobId": slot.job_id})
            return None
        expected = {"active": True, "jobId": slot.job_id}
        # Waiting for a retry? New work is a reason to try at once.
        changes = {"notBefore": 0.0}
        if not self._slots.alter(slot, changes, expected, {"requests": 1}):
            return None
        self._joined(job, slot)
        return job

    def _begin(self, job: Job, slot: Slot | None, write: Any) -> bool:
        """Take the slot for ``job`` together with the job's own write, and have it run."""
        lease = self._new_lease()
        mine = Slot(
            kind=job.kind,
            user_id=job.user_id,
            album_id=job.album_id,
            subject=job.subject,
            job_id=job.id,
            run=slot.run + 1 if slot is not None and slot.job_id == job.id else 1,
            owner=lease.owner,
            lease_until=lease.until,
        )
        expect = ABSENT
        if slot is not None:
            expect = Expect(True, {"active": False, "jobId": slot.job_id})
        try:
            self._services.table.transact([write, self._slots.put(mine, expect)])
        except ConditionFailed:
            return False
        self._started(job, mine)
        return True

    def _cancel(self, slot: Slot) -> None:
        self._slots.alter(slot, {"cancelled": True}, {"active": True, "jobId": slot.job_id})
        if not self._halt(slot) and slot.lease_until < time.time():
            # Nobody works on it: it ends here.
            job = Job.key_of(slot.album_id, slot.job_id, slot.user_id)
            changes = {"state": JobState.FAILED, "gsi1pk": f"JOB#{JobState.FAILED}"}
            expected = {"active": True, "jobId": slot.job_id, "owner": slot.owner}
            if self._slots.alter(slot, {"active": False}, expected):
                write_if_there(
                    self._services.table,
                    Update(job, changes | {"error": "cancelled"}, expect=PRESENT),
                )
