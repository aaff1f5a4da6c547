"""Jobs of an album; those that were given up, and another try."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.deps import AlbumDep, ServicesDep, WorkflowDep
from api.domain.models import JobState
from api.errors import Conflict, NotFound
from api.ids import ULID_PATTERN
from api.routers.schemas.base import Schema
from api.routers.schemas.jobs import JobView

router = APIRouter(tags=["jobs"])

JobPath = Annotated[str, Path(pattern=ULID_PATTERN)]


class JobPage(Schema):
    """Part of a list of jobs."""

    jobs: tuple[JobView, ...]
    cursor: str | None


@router.get("/albums/{id}/jobs", operation_id="listJobs")
def list_jobs(
    services: ServicesDep,
    album: AlbumDep,
    state: JobState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> JobPage:
    """The album's jobs, the newest first; ``state=failed`` are those that were given up."""
    page = services.jobs.page(f"ALBUM#{album.id}", limit=limit, cursor=cursor, descending=True)
    found = [job for job in page.records if state is None or job.state is state]
    return JobPage(jobs=tuple(map(JobView.model_validate, found)), cursor=page.cursor)


@router.get("/albums/{id}/jobs/{jobId}", operation_id="getJob")
def get_job(
    workflow: WorkflowDep, album: AlbumDep, job_id: Annotated[JobPath, Path(alias="jobId")]
) -> JobView:
    """One job."""
    job = workflow.status(album.id, job_id)
    if job is None:
        raise NotFound("there is no such job")
    return JobView.model_validate(job)


@router.post("/albums/{id}/jobs/{jobId}/retry", operation_id="retryJob")
def retry_job(
    workflow: WorkflowDep, album: AlbumDep, job_id: Annotated[JobPath, Path(alias="jobId")]
) -> JobView:
    """Run a job again that was given up."""
    job = workflow.status(album.id, job_id)
    if job is None:
        raise NotFound("there is no such job")
    if job.state is not JobState.FAILED:
        raise Conflict("only a job that failed can be run again")
    return JobView.model_validate(workflow.retry(job))
