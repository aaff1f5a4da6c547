"""Photos: lists, one photo, its original, deletion, another try."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.deps import AlbumDep, ServicesDep, UserDep, WorkflowDep
from api.domain import photos, removal
from api.domain.models import Album, JobKind, Photo, PhotoStatus
from api.domain.photos import Duplicates, Order, PhotoFilter
from api.errors import Gone, NotFound
from api.ids import ULID_PATTERN
from api.routers.photo_lists import page_json, photo_pieces
from api.routers.schemas.jobs import JobStarted
from api.routers.schemas.photos import PhotoPage, PhotoView, photo_view

router = APIRouter(tags=["photos"])

PhotoPath = Annotated[str, Path(pattern=ULID_PATTERN)]


def _find(services: ServicesDep, user: UserDep, pid: str) -> tuple[Album, Photo]:
    photo = photos.find(services, user.id, pid)
    album = None if photo is None else services.albums.get(Album.key_of(user.id, photo.album_id))
    if photo is None or album is None:
        raise NotFound("there is no such photo")
    return album, photo


@router.get("/albums/{id}/photos", operation_id="listPhotos", response_model=PhotoPage)
def list_photos(
    services: ServicesDep,
    album: AlbumDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
    order: Order = "oldest",
    cluster: Annotated[str | None, Query(pattern=ULID_PATTERN)] = None,
    status: PhotoStatus | None = None,
    duplicates: Duplicates = "all",
) -> Response:
    """The photos of an album in the order of their upload, with their faces.

    ``cluster``: only those with this person; ``duplicates``: ``hide`` those that another is kept
    in place of, or ``only`` those. A page may have fewer than ``limit`` photos although more
    follow: what counts is the cursor.
    """
    chosen = PhotoFilter(cluster=cluster, status=status, duplicates=duplicates)
    found, after = photos.page(
        services, album, chosen, photo_pieces(services), limit=limit, cursor=cursor, order=order
    )
    who = photos.who_are(services, album, [face for piece in found for face in piece.faces])
    return Response(page_json(found, who, after), media_type="application/json")


@router.get("/photos/{pid}", operation_id="getPhoto")
def get_photo(services: ServicesDep, user: UserDep, pid: PhotoPath) -> PhotoView:
    """One photo, with a URL of its original."""
    album, photo = _find(services, user, pid)
    (entry,) = photos.with_faces(services, album, [photo])
    return photo_view(services, entry)


@router.get(
    "/photos/{pid}/original",
    operation_id="downloadOriginal",
    status_code=307,
    response_class=RedirectResponse,
)
def download_original(services: ServicesDep, user: UserDep, pid: PhotoPath) -> RedirectResponse:
    """The photo as it was uploaded: goes on to a signed URL."""
    _, photo = _find(services, user, pid)
    if photo.original_purged:
        raise Gone("the original of this photo is not kept")
    target = services.signer.sign_get(
        photo.object_key,
        seconds=services.settings.view_url_seconds,
        filename=photo.filename,
    )
    return RedirectResponse(target.url, status_code=307)


@router.delete("/photos/{pid}", status_code=204, operation_id="deletePhoto")
def delete_photo(
    services: ServicesDep, workflow: WorkflowDep, user: UserDep, pid: PhotoPath
) -> None:
    """Delete a photo with its faces. If it has exact copies, the first takes its place."""
    album, photo = _find(services, user, pid)
    removal.delete_photo(services, workflow, album, photo)


@router.post("/photos/{pid}/retry", operation_id="retryPhoto")
def retry_photo(
    services: ServicesDep, workflow: WorkflowDep, user: UserDep, pid: PhotoPath
) -> JobStarted:
    """Process a photo that failed once more."""
    album, photo = _find(services, user, pid)
    photos.retry(services, photo)
    return JobStarted(job_id=workflow.start(JobKind.INGEST, album.user_id, album.id).id)


@router.post("/albums/{id}/photos/retry", operation_id="retryPhotos")
def retry_photos(services: ServicesDep, workflow: WorkflowDep, album: AlbumDep) -> JobStarted:
    """Process every photo of the album that failed once more."""
    photos.retry_all(services, album.id)
    return JobStarted(job_id=workflow.start(JobKind.INGEST, album.user_id, album.id).id)
