"""Uploads: presigned, in one piece or in parts that can be retried and resumed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from api.deps import AlbumDep, ServicesDep
from api.domain import uploads
from api.domain.models import Album, Photo, PhotoStatus
from api.errors import NotFound
from api.ids import ULID_PATTERN
from api.routers.schemas.base import RequestBody, Schema

router = APIRouter(tags=["uploads"])

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
UploadPath = Annotated[str, Path(pattern=ULID_PATTERN)]


class NewUpload(RequestBody):
    """A photo that is about to come."""

    filename: str = Field(min_length=1, max_length=1024)
    content_type: str = Field(min_length=1, max_length=200)
    size: int = Field(ge=1, lt=2**50)
    """Bytes."""
    sha256: _Sha256 | None = None
    """Of the bytes; tells at once whether the album has them already."""


class UploadTarget(Schema):
    """Where the bytes go: send ``method`` to ``url`` with ``headers`` before ``expiresAt``.

    ``duplicateOf`` names a photo of the album with the same bytes: then nothing needs to be sent,
    and a photo whose bytes are never sent is never seen.
    """

    photo_id: str
    url: str
    method: str
    headers: dict[str, str]
    expires_at: str
    duplicate_of: str | None


class MultipartUpload(Schema):
    """An upload in parts, numbered from 1: all of ``partSize`` bytes but the last."""

    photo_id: str
    upload_id: str
    filename: str
    size: int
    part_size: int
    parts: int
    duplicate_of: str | None


class Uploads(Schema):
    """Part of the list of uploads in parts that are not complete."""

    uploads: tuple[MultipartUpload, ...]
    cursor: str | None


class PartNumbers(RequestBody):
    """Which parts to sign."""

    numbers: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(min_length=1, max_length=1000)


class PartTarget(Schema):
    """Where a part goes."""

    number: int
    size: int
    url: str
    method: str
    headers: dict[str, str]
    expires_at: str


class PartTargets(Schema):
    """Where parts go."""

    parts: tuple[PartTarget, ...]


class StoredPart(Schema):
    """A part that is there."""

    number: int
    size: int
    etag: str


class StoredParts(Schema):
    """Parts that are there: send the others to go on."""

    parts: tuple[StoredPart, ...]


class Arrived(Schema):
    """A photo whose bytes are complete; ``error`` if they are no photo."""

    photo_id: str
    status: PhotoStatus
    error: str | None


def _announce(
    services: ServicesDep, album: Album, body: NewUpload, *, multipart: bool
) -> tuple[Photo, str | None]:
    sha256 = None if body.sha256 is None else body.sha256.lower()
    announcement = uploads.Announcement(body.filename, body.content_type, body.size, sha256)
    copy = uploads.known_copy(services, album, sha256)
    photo = uploads.announce(services, album, announcement, multipart=multipart)
    return photo, None if copy is None else copy.id


def _photo(services: ServicesDep, album: Album, photo_id: str) -> Photo:
    photo = services.photos.get(Photo.key_of(album.id, photo_id))
    if photo is None:
        raise NotFound("there is no such upload")
    return photo


def _multipart(services: ServicesDep, photo: Photo, duplicate_of: str | None) -> MultipartUpload:
    return MultipartUpload(
        photo_id=photo.id,
        upload_id=photo.id,
        filename=photo.filename,
        size=photo.size,
        part_size=uploads.part_size(services, photo),
        parts=len(uploads.part_sizes(services, photo)),
        duplicate_of=duplicate_of,
    )


def _arrived(photo: Photo) -> Arrived:
    return Arrived(photo_id=photo.id, status=photo.status, error=photo.error)


@router.post("/albums/{id}/uploadUrl", operation_id="createUploadUrl")
def create_upload_url(services: ServicesDep, album: AlbumDep, body: NewUpload) -> UploadTarget:
    """A presigned PUT for a photo; over 16 MiB photos come in parts."""
    photo, copy = _announce(services, album, body, multipart=False)
    target = uploads.sign(services, photo)
    return UploadTarget(
        photo_id=photo.id,
        url=target.url,
        method=target.method,
        headers=dict(target.headers),
        expires_at=target.expires_at,
        duplicate_of=copy,
    )


@router.post("/albums/{id}/photos/{pid}/complete", operation_id="completePhoto")
def complete_photo(services: ServicesDep, album: AlbumDep, pid: UploadPath) -> Arrived:
    """Make a photo visible whose bytes were sent; processing does so too."""
    return _arrived(uploads.complete(services, _photo(services, album, pid)))


@router.post("/albums/{id}/uploads", status_code=201, operation_id="startUpload")
def start_upload(services: ServicesDep, album: AlbumDep, body: NewUpload) -> MultipartUpload:
    """Begin an upload in parts."""
    photo, copy = _announce(services, album, body, multipart=True)
    return _multipart(services, photo, copy)


@router.get("/albums/{id}/uploads", operation_id="listUploads")
def list_uploads(
    services: ServicesDep,
    album: AlbumDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> Uploads:
    """Uploads in parts that wait to be gone on with, the newest first. A page may have fewer than
    ``limit``, even none: ``cursor`` tells whether there are more."""
    page = uploads.unfinished(services, album.id, limit=limit, cursor=cursor)
    return Uploads(
        uploads=tuple(_multipart(services, photo, None) for photo in page.records),
        cursor=page.cursor,
    )


@router.post("/albums/{id}/uploads/{uid}/parts", operation_id="signParts")
def sign_parts(
    services: ServicesDep, album: AlbumDep, uid: UploadPath, body: PartNumbers
) -> PartTargets:
    """Presigned PUTs for parts; each may be retried, and signed again."""
    signed = uploads.sign_parts(services, _photo(services, album, uid), body.numbers)
    return PartTargets(
        parts=tuple(
            PartTarget(
                number=part.number,
                size=part.size,
                url=part.target.url,
                method=part.target.method,
                headers=dict(part.target.headers),
                expires_at=part.target.expires_at,
            )
            for part in signed
        )
    )


@router.get("/albums/{id}/uploads/{uid}/parts", operation_id="listParts")
def list_parts(services: ServicesDep, album: AlbumDep, uid: UploadPath) -> StoredParts:
    """The parts that have arrived."""
    parts = uploads.stored_parts(services, _photo(services, album, uid))
    return StoredParts(parts=tuple(StoredPart.model_validate(part) for part in parts))


@router.post("/albums/{id}/uploads/{uid}/complete", operation_id="completeUpload")
def complete_upload(services: ServicesDep, album: AlbumDep, uid: UploadPath) -> Arrived:
    """Put the parts together; may be repeated."""
    return _arrived(uploads.complete(services, _photo(services, album, uid)))


@router.delete("/albums/{id}/uploads/{uid}", status_code=204, operation_id="abortUpload")
def abort_upload(services: ServicesDep, album: AlbumDep, uid: UploadPath) -> None:
    """Give an upload up."""
    uploads.abort(services, _photo(services, album, uid))
