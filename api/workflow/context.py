"""What a job's handler is given, and how it says what became of its work."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event as Flag
from threading import Lock
from typing import Any

from api import events
from api.domain.models import Job, JobKind
from api.ids import now
from api.repositories.table import PRESENT, ConditionFailed, Update
from api.services import Services
from api.workflow.workflow import Workflow

COUNTERS = ("detected", "embedded")
"""Of photos, in the row of a job that several processes work on."""


class JobFailed(Exception):
    """The work cannot be done, and trying again is no use; the message is for a person."""


class RetryLater(Exception):
    """Some of the work could not be done now; the message says what stood in the way."""


class JobInterrupted(Exception):
    """The process is stopping, or the job is no longer this process's; all is kept as it is."""


@dataclass(frozen=True)
class RunOptions:
    """How jobs are run.

    lease_seconds: for how long a process that says nothing is still taken to be alive.
    max_attempts: failures after which a job is given up until a person asks for it again.
    backoff_seconds, backoff_limit: of the pause after the first failure, doubled each time, and
        of the longest; a random part of up to a half is taken off.
    progress_seconds: least time between two writes of a job's progress.
    threads: jobs that are worked on at once.
    """

    lease_seconds: float = 10.0
    max_attempts: int = 5
    backoff_seconds: float = 1.0
    backoff_limit: float = 300.0
    progress_seconds: float = 0.5
    threads: int = 16


class JobContext:
    """The handler's view of its job. Every method may be called from any thread.

    deadline: time of ``time.monotonic`` at which the job stops, to be taken up by another process.
    """

    def __init__(
        self,
        services: Services,
        workflow: Workflow,
        job: Job,
        options: RunOptions | None = None,
        *,
        deadline: float = float("inf"),
    ) -> None:
        self.services = services
        self.workflow = workflow
        self.job = job
        self.interrupted = Flag()
        self._deadline = deadline
        self._options = options or RunOptions()
        self._lock = Lock()
        self._written = 0.0
        self._step: str | None = None

    def checkpoint(self) -> None:
        """To be called between pieces of work of a second or so.

        Raises:
            JobInterrupted: stop now.
        """
        if self.interrupted.is_set() or self.late:
            raise JobInterrupted(self.job.id)

    @property
    def late(self) -> bool:
        """Is the time up that this process has?"""
        return time.monotonic() >= self._deadline

    def progress(
        self, done: int, total: int, step: str, *, part: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        """Say how far a step is; written and told to watchers now and then.

        part: of the whole job, from 0 to 1, what the step goes from and to.

        Raises:
            JobInterrupted: stop now.
        """
        self.checkpoint()
        with self._lock:
            moment = time.monotonic()
            soon = moment - self._written < self._options.progress_seconds
            if soon and step == self._step and done < total:
                return
            self._written, self._step = moment, step
        self._tell(done, total, step, part)

    def begin_counting(self, total: int) -> None:
        """From here on several processes work on ``total`` photos, and `count` them.

        Raises:
            JobInterrupted: stop now.
        """
        self._write({"total": total} | dict.fromkeys(COUNTERS, 0), {})

    def count(self, counter: str, photos: int, *, part: tuple[float, float]) -> None:
        """Say that so many photos more are through what ``counter``, one of COUNTERS, counts.

        Raises:
            JobInterrupted: stop now.
        """
        self._write({}, {counter: photos})
        row = self.services.table.get(self.job.key()) or {}
        total = int(row.get("total", 0))
        self._tell(min(int(row.get(counter, 0)), total), total, "photos", part)

    def _write(self, changes: dict[str, Any], add: dict[str, int]) -> None:
        self.checkpoint()
        try:
            self.services.table.write(Update(self.job.key(), changes, add, expect=PRESENT))
        except ConditionFailed as error:
            raise JobInterrupted(self.job.id) from error

    def _tell(self, done: int, total: int, step: str, part: tuple[float, float]) -> None:
        share = done / total if total else 1.0
        progress = round(part[0] + (part[1] - part[0]) * min(share, 1.0), 4)
        changes = {
            "step": step,
            "done": done,
            "total": total,
            "progress": progress,
            "updatedAt": now(),
        }
        self._write(changes, {})
        if self.job.album_id:
            data = changes | {
                "id": self.job.id,
                "kind": str(self.job.kind),
                "subject": self.job.subject,
                "state": "running",
            }
            events.publish(self.job.album_id, events.Event("job", data))

    def start(self, kind: JobKind, subject: str = "") -> Job:
        """Start or join another job of the same album."""
        return self.workflow.start(kind, self.job.user_id, self.job.album_id, subject)


Handler = Callable[[JobContext], None]
"""Does a job. It is run again from the beginning after a crash: it skips what is done."""

Handlers = Mapping[JobKind, Handler]
