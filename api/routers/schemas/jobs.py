"""Jobs as clients see them."""

from __future__ import annotations

from api.domain.models import JobKind, JobState
from api.routers.schemas.base import Schema


class JobView(Schema):
    """A job: ``done`` of ``total`` in its ``step``, ``progress`` from 0 to 1 over all steps.

    ``error`` of a running job is what its last attempt failed of.
    """

    id: str
    kind: JobKind
    subject: str
    state: JobState
    step: str | None
    done: int
    total: int
    progress: float
    attempts: int
    error: str | None
    created_at: str
    updated_at: str


class JobStarted(Schema):
    """The job that does it."""

    job_id: str
