"""The `Workflow` port: jobs made of idempotent steps."""

from __future__ import annotations

from typing import Protocol

from api.domain.models import Job, JobKind


class Workflow(Protocol):
    """Starts and follows jobs; their state is rows of the table."""

    def start(self, kind: JobKind, user_id: str, album_id: str, subject: str = "") -> Job:
        """Start a job, or join the one of this kind, album and subject that is still going.

        Args:
            kind: what to do.
            user_id: the owner of the album.
            album_id: the album; empty for a job of the whole account.
            subject: what in the album it is about (a share, say); empty for the album itself.
        """
        ...

    def status(self, album_id: str, job_id: str, user_id: str = "") -> Job | None:
        """The job as it is now; ``user_id`` is needed only for a job of the whole account."""
        ...

    def latest(self, kind: JobKind, album_id: str, subject: str = "") -> Job | None:
        """The job of this kind, album and subject that was started last."""
        ...

    def retry(self, job: Job) -> Job:
        """Run a failed job again; joins the one that is going if there is one."""
        ...

    def cancel(
        self, album_id: str, user_id: str = "", *, but: str = "", timeout: float = 60.0
    ) -> None:
        """End every job of an album (or, without one, of the account) and wait until none is
        going; ``but`` is the id of a job to leave alone: the caller's own.

        Raises:
            RetryLater: one of them did not stop in ``timeout`` seconds.
        """
        ...

    def resume(self) -> None:
        """Go on with every job that a stopped process left unfinished; called at start-up."""
        ...
