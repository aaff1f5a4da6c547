"""One place a kind, album and subject: which job holds it, and which process works on that job."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from api.domain.models import Job, JobKind, Record
from api.ids import new_id
from api.repositories.records import Repository
from api.repositories.table import ConditionFailed, Expect, Key, Table, Update


class Slot(Record):
    """At most one job of a kind, album and subject is going at a time, and it is this one.

    The slot stays when the job has ended, so that the latest job is found without a search.
    """

    prefix = "SLOT#"

    kind: JobKind
    user_id: str
    album_id: str
    subject: str
    job_id: str
    active: bool = True
    """Is the job still going?"""
    run: int = 1
    """How often the job was begun: tried again by a person, or for what came while it ran."""
    requests: int = 1
    """Starts since the job began. One that came while it ran makes it run again."""
    seen: int = 0
    """Of these, those whose work the run that is going has looked for."""
    owner: str = ""
    """The process that works on it."""
    lease_until: float = 0.0
    """Epoch seconds; later, the process is taken for dead."""
    not_before: float = 0.0
    """Epoch seconds of the next attempt."""
    cancelled: bool = False
    """Its album is going away: stop at the next chance."""

    def key(self) -> Key:
        return self.key_of(self.kind, self.album_id, self.subject, self.user_id)

    @staticmethod
    def key_of(kind: JobKind, album_id: str, subject: str = "", user_id: str = "") -> Key:
        """Key of a slot; one without an album is of the account ``user_id``."""
        pk = Job.key_of(album_id, "", user_id).pk
        return Key(pk, f"SLOT#{kind}#{subject}")

    @staticmethod
    def of(job: Job) -> Key:
        """Key of the slot that a job is for."""
        return Slot.key_of(job.kind, job.album_id, job.subject, job.user_id)


class Slots(Repository[Slot]):
    """Slots as one process, ``owner``, sees them."""

    def __init__(self, table: Table, owner: str) -> None:
        super().__init__(table, Slot)
        self._owner = owner

    def held(self, job: Job) -> Slot | None:
        """The slot of a job, if this process holds it."""
        slot = self.get(Slot.of(job))
        if slot is None or not slot.active:
            return None
        return slot if slot.job_id == job.id and slot.owner == self._owner else None

    def alter(
        self,
        slot: Slot,
        changes: Mapping[str, Any],
        expected: Mapping[str, Any],
        add: Mapping[str, int] | None = None,
    ) -> bool:
        """Write attributes (as stored) if the slot is as expected; was it?"""
        write = Update(slot.key(), changes, add or {}, Expect(True, expected))
        return write_if_there(self.table, write)

    def release(self, slot: Slot, not_before: float) -> None:
        """Let go of a job that is still going, for whoever comes first after ``not_before``."""
        changes = {"owner": "", "leaseUntil": 0.0, "notBefore": not_before}
        self.alter(slot, changes, {"jobId": slot.job_id, "owner": self._owner})


def process_name() -> str:
    """Name of this process among all that there ever are."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id()}"


def write_if_there(table: Table, write: Update) -> bool:
    """Write if the item is as expected; was it?"""
    try:
        table.write(write)
    except ConditionFailed:
        return False
    return True
