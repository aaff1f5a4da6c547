"""Albums, their ingestion and its status."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from api.deps import AlbumDep, ServicesDep, UserDep, WorkflowDep
from api.domain import albums, counts, uploads
from api.domain.models import Album, JobKind, JobState
from api.routers.schemas.base import RequestBody, Schema
from api.routers.schemas.jobs import JobStarted, JobView

router = APIRouter(tags=["albums"])

_NAME = Field(min_length=1, max_length=200, pattern=r"\S")


class NewAlbum(RequestBody):
    """An album to make."""

    name: str = _NAME
    keep_originals: bool = True
    """False: originals go after processing; thumbnails, crops and vectors stay."""
    linked: bool = False
    """May its people be recognised in the user's other linked albums?"""


class AlbumChange(RequestBody):
    """What to change of an album; what is absent or null stays."""

    name: str | None = Field(None, min_length=1, max_length=200, pattern=r"\S")
    keep_originals: bool | None = None
    linked: bool | None = None


class Counts(Schema):
    """How many of what an album has."""

    photos: int
    duplicates: int
    faces: int
    clusters: int
    unassigned: int
    failed: int


class AlbumView(Schema):
    """An album."""

    id: str
    name: str
    created_at: str
    keep_originals: bool
    linked: bool
    version: int
    counts: Counts


class AlbumPage(Schema):
    """Part of a list of albums."""

    albums: tuple[AlbumView, ...]
    cursor: str | None


class AlbumStatus(Schema):
    """How far an album is."""

    state: Literal["idle", "processing", "done", "failed"]
    counts: Counts
    job: JobView | None
    progress: float = Field(ge=0, le=1)
    version: int
    """Grows with every change of the album that a client may want to see."""


def _counts(services: ServicesDep, album_id: str) -> Counts:
    return Counts.model_validate(counts.read(services, album_id))


def _view(services: ServicesDep, album: Album) -> AlbumView:
    return AlbumView(
        id=album.id,
        name=album.name,
        created_at=album.created_at,
        keep_originals=album.keep_originals,
        linked=album.linked,
        version=album.version,
        counts=_counts(services, album.id),
    )


@router.post("/albums", status_code=201, operation_id="createAlbum")
def create_album(services: ServicesDep, user: UserDep, body: NewAlbum) -> AlbumView:
    """Make an album."""
    album = albums.create(
        services,
        user.id,
        body.name.strip(),
        keep_originals=body.keep_originals,
        linked=body.linked,
    )
    return _view(services, album)


@router.get("/albums", operation_id="listAlbums")
def list_albums(
    services: ServicesDep,
    user: UserDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> AlbumPage:
    """The caller's albums, the oldest first."""
    page = services.albums.page(f"USER#{user.id}", limit=limit, cursor=cursor)
    views = tuple(_view(services, album) for album in page.records)
    return AlbumPage(albums=views, cursor=page.cursor)


@router.get("/albums/{id}", operation_id="getAlbum")
def get_album(services: ServicesDep, album: AlbumDep) -> AlbumView:
    """One album."""
    return _view(services, album)


@router.patch("/albums/{id}", operation_id="changeAlbum")
def change_album(
    services: ServicesDep, workflow: WorkflowDep, album: AlbumDep, body: AlbumChange
) -> AlbumView:
    """Change an album. Switching ``keepOriginals`` off purges the originals of processed photos."""
    changed = albums.change(
        services,
        workflow,
        album,
        name=None if body.name is None else body.name.strip(),
        keep_originals=body.keep_originals,
        linked=body.linked,
    )
    return _view(services, changed)


@router.delete("/albums/{id}", status_code=204, operation_id="deleteAlbum")
def delete_album(services: ServicesDep, workflow: WorkflowDep, album: AlbumDep) -> None:
    """Delete an album with everything in it, shares included; its objects go in the background."""
    albums.delete(services, workflow, album)


@router.post("/albums/{id}/process", operation_id="processAlbum")
def process_album(services: ServicesDep, workflow: WorkflowDep, album: AlbumDep) -> JobStarted:
    """Start processing what was uploaded, or join the job that is at it."""
    uploads.sweep(services, album.id)
    job = workflow.start(JobKind.INGEST, album.user_id, album.id)
    return JobStarted(job_id=job.id)


@router.get("/albums/{id}/status", operation_id="getAlbumStatus")
def album_status(services: ServicesDep, workflow: WorkflowDep, album: AlbumDep) -> AlbumStatus:
    """How far the album is; complete, for clients that do not listen to events."""
    job = workflow.latest(JobKind.INGEST, album.id)
    state: Literal["idle", "processing", "done", "failed"] = "idle"
    if job is not None:
        state = _STATES[job.state]
    return AlbumStatus(
        state=state,
        counts=_counts(services, album.id),
        job=None if job is None else JobView.model_validate(job),
        progress=0.0 if job is None else job.progress,
        version=album.version,
    )


_STATES: dict[JobState, Literal["processing", "done", "failed"]] = {
    JobState.RUNNING: "processing",
    JobState.DONE: "done",
    JobState.FAILED: "failed",
}
