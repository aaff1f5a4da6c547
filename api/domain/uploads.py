"""Photos on their way in: announced, uploaded whole or in parts, checked, visible."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api import events
from api.domain import counts, quota
from api.domain.ingest_rows import Content
from api.domain.models import Album, Photo, PhotoStatus
from api.errors import BadRequest, Conflict, TooLarge, UnsupportedType
from api.ids import is_id, new_id, now
from api.objects import keys
from api.objects.signer import SignedUrl
from api.objects.store import ObjectInfo, ObjectMissing, Part
from api.repositories.records import RecordPage, Repository
from api.repositories.table import ABSENT, ConditionFailed, Delete, Expect, Index, Update
from api.services import Services
from faceflow_ml.errors import ImageError
from faceflow_ml.inference.images import ImageFormat, image_format

EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/tiff": "tif",
    "image/bmp": "bmp",
    "image/gif": "gif",
}
"""Content types of photos, and how their objects end."""

_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heif",
}
_TYPE_OF: dict[ImageFormat, str] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WebP": "image/webp",
    "HEIC": "image/heic",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "GIF": "image/gif",
}
_MAX_PARTS = 10_000
_MAX_NAME = 255
_ABANDONED = timedelta(days=2)
_LOOK = 1000
"""Announced photos that are read at once to find those in parts."""
_LOOKS = 4
"""How often, for one page."""


@dataclass(frozen=True)
class Announcement:
    """A photo that a client is about to upload.

    size: bytes. sha256: hex digest of the bytes, if the client knows it.
    """

    filename: str
    content_type: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class SignedPart:
    """Where a part goes, and how many bytes it has."""

    number: int
    size: int
    target: SignedUrl


def known_copy(services: Services, album: Album, sha256: str | None) -> Photo | None:
    """The photo of the album that has these bytes already."""
    if sha256 is None:
        return None
    content = Repository(services.table, Content).get(Content.key_of(album.id, sha256))
    if content is None:
        return None
    photo = services.photos.get(Photo.key_of(album.id, content.photo_id))
    return photo if photo is not None and photo.status is not PhotoStatus.FAILED else None


def announce(
    services: Services, album: Album, announcement: Announcement, *, multipart: bool
) -> Photo:
    """Make room for a photo; it becomes visible when its bytes are complete.

    Raises:
        UnsupportedType: not a type of photo.
        TooLarge: over the limit of one photo.
        BadRequest: in one piece although it has to come in parts.
    """
    settings = services.settings
    content_type = announcement.content_type.split(";")[0].strip().lower()
    content_type = _ALIASES.get(content_type, content_type)
    if content_type not in EXTENSIONS:
        raise UnsupportedType(
            f"{announcement.content_type[:100]!r} is no type of photo", accepted=sorted(EXTENSIONS)
        )
    if announcement.size > settings.max_photo_bytes:
        raise TooLarge(
            f"a photo may have {settings.max_photo_bytes:,} bytes, not {announcement.size:,}"
        )
    if not multipart and announcement.size > settings.multipart_above:
        raise BadRequest(
            f"over {settings.multipart_above:,} bytes a photo is uploaded in parts",
            multipart=f"/albums/{album.id}/uploads",
        )
    photo_id, created_at = new_id(), now()
    key = keys.original(album.user_id, album.id, created_at, photo_id, EXTENSIONS[content_type])
    photo = Photo(
        id=photo_id,
        album_id=album.id,
        user_id=album.user_id,
        status=PhotoStatus.UPLOADING,
        filename=display_name(announcement.filename),
        content_type=content_type,
        size=announcement.size,
        created_at=created_at,
        object_key=key,
        upload_id=services.objects.start_multipart(key, content_type) if multipart else None,
        sha256=announcement.sha256,
    )
    writes = [
        services.photos.put(photo, ABSENT),
        *quota.reserve(services, album.user_id, album.id, photo.size),
    ]
    try:
        quota.transact(services, album.user_id, writes)
    except TooLarge:
        if photo.upload_id is not None:
            services.objects.abort_multipart(key, photo.upload_id)
        raise
    return photo


def display_name(filename: str) -> str:
    """A file name as text to show: no folders, no control characters, of bounded length."""
    last = filename.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    return unicodedata.normalize("NFC", shown).strip()[:_MAX_NAME] or "photo"


def sign(services: Services, photo: Photo) -> SignedUrl:
    """Where the bytes of an announced photo go, in one piece."""
    return services.signer.sign_put(
        photo.object_key,
        seconds=services.settings.upload_url_seconds,
        content_type=photo.content_type,
        size=photo.size,
    )


def part_size(services: Services, photo: Photo) -> int:
    """Bytes of every part but the last."""
    return max(services.settings.part_bytes, -(-photo.size // _MAX_PARTS))


def part_sizes(services: Services, photo: Photo) -> list[int]:
    """Bytes of each part, from number 1 on."""
    size = part_size(services, photo)
    whole, rest = divmod(photo.size, size)
    return [size] * whole + ([rest] if rest else [])


def sign_parts(services: Services, photo: Photo, numbers: Iterable[int]) -> list[SignedPart]:
    """Where parts go.

    Raises:
        Conflict: the upload is complete, or not one in parts.
        BadRequest: there is no part of such a number.
    """
    upload = _upload_id(photo)
    sizes = part_sizes(services, photo)
    signed = []
    for number in sorted(set(numbers)):
        if not 1 <= number <= len(sizes):
            raise BadRequest(f"this upload has parts 1 to {len(sizes)}, there is no {number}")
        size = sizes[number - 1]
        target = services.signer.sign_put_part(
            photo.object_key,
            upload,
            number,
            seconds=services.settings.upload_url_seconds,
            size=size,
        )
        signed.append(SignedPart(number, size, target))
    return signed


def stored_parts(services: Services, photo: Photo) -> list[Part]:
    """The parts that are there, for whoever goes on with an upload.

    Raises:
        Conflict: the upload is complete, or not one in parts.
    """
    try:
        return services.objects.list_parts(photo.object_key, _upload_id(photo))
    except ObjectMissing:
        return []


def complete(services: Services, photo: Photo) -> Photo:
    """Put the parts together; may be repeated.

    Raises:
        Conflict: parts are missing or of the wrong size (``missing`` lists them).
    """
    if photo.status is not PhotoStatus.UPLOADING:
        return photo
    if photo.upload_id is not None and services.objects.head(photo.object_key) is None:
        parts = stored_parts(services, photo)
        there = {part.number: part.size for part in parts}
        wanted = dict(enumerate(part_sizes(services, photo), start=1))
        if there != wanted:
            missing = [number for number in wanted if there.get(number) != wanted[number]]
            raise Conflict(f"{len(missing)} parts are missing", missing=missing[:1000])
        try:
            services.objects.complete_multipart(photo.object_key, photo.upload_id, parts)
        except ObjectMissing as error:
            if services.objects.head(photo.object_key) is None:
                raise Conflict("the upload was aborted or completed meanwhile") from error
    arrived = settle(services, photo)
    if arrived.status is PhotoStatus.UPLOADING:
        raise Conflict("no bytes have arrived yet")
    return arrived


def abort(services: Services, photo: Photo) -> None:
    """Forget an upload that is not complete.

    Raises:
        Conflict: it is complete: delete the photo instead.
    """
    try:
        expect = Expect(True, {"status": PhotoStatus.UPLOADING})
        released = quota.release(photo.user_id, photo.album_id, photo.size)
        services.table.transact([Delete(photo.key(), expect), *released])
    except ConditionFailed as error:
        raise Conflict("the upload is complete; delete the photo instead") from error
    if photo.upload_id is not None:
        services.objects.abort_multipart(photo.object_key, photo.upload_id)
    services.objects.delete([photo.object_key])


def settle(services: Services, photo: Photo) -> Photo:
    """Make an announced photo visible if its bytes are there; may be repeated.

    Bytes that are no photo make a failed photo that says so.
    """
    if photo.status is not PhotoStatus.UPLOADING:
        return photo
    info = services.objects.head(photo.object_key)
    if info is None:
        return photo
    status, content_type, error = _judge(services, photo, info)
    write, arrived = services.photos.change(
        photo,
        Expect(True, {"status": PhotoStatus.UPLOADING}),
        status=status,
        content_type=content_type,
        error=error,
        upload_id=None,
    )
    try:
        services.table.transact([write, *counts.adjust(photo.album_id, photo, arrived)])
    except ConditionFailed:
        return services.photos.get(photo.key()) or photo
    touch(services, arrived.user_id, arrived.album_id)
    events.publish(arrived.album_id, events.Event("photos", {"added": [arrived.id]}))
    return arrived


def touch(services: Services, user_id: str, album_id: str) -> None:
    """Note that something in the album changed."""
    key = Album.key_of(user_id, album_id)
    try:
        services.table.write(Update(key, add={"version": 1}, expect=Expect(True)))
    except ConditionFailed:
        return  # the album is going away


def accepts(services: Services, key: str) -> bool:
    """May bytes be stored under this key of an original? Only until they have arrived once."""
    photo = _photo_of(services, key)
    return photo is not None and photo.status is PhotoStatus.UPLOADING


def arrived(services: Services, key: str) -> Photo | None:
    """To be called when an object has been stored: makes the photo it belongs to visible."""
    photo = _photo_of(services, key)
    return None if photo is None else settle(services, photo)


def unfinished(
    services: Services, album_id: str, *, limit: int, cursor: str | None = None
) -> RecordPage[Photo]:
    """Uploads in parts that are not complete, the newest first.

    Photos in one piece that are on their way lie among them. A page looks at so many of those and
    no more: with a cursor it may have fewer than ``limit``, even none.

    Raises:
        BadCursor: the cursor is not of this list.
    """
    found: list[Photo] = []
    for _ in range(_LOOKS):
        page = _announced(services, album_id, _LOOK, cursor)
        places = [k for k, photo in enumerate(page.records) if photo.upload_id is not None]
        wanted = limit - len(found)
        if len(places) > wanted:
            # Again, so that the cursor is behind the last one that is wanted.
            page = _announced(services, album_id, places[wanted - 1] + 1, cursor)
        found += [photo for photo in page.records if photo.upload_id is not None]
        cursor = page.cursor
        if cursor is None or len(found) >= limit:
            break
    return RecordPage(tuple(found), cursor)


def _announced(
    services: Services, album_id: str, limit: int, cursor: str | None
) -> RecordPage[Photo]:
    partition = f"ALBUM#{album_id}#PHOTO#{PhotoStatus.UPLOADING}"
    return services.photos.index_page(
        Index.GSI1, partition, limit=limit, cursor=cursor, descending=True
    )


def sweep(services: Services, album_id: str) -> None:
    """Make visible what has arrived unnoticed, and forget uploads that were given up."""
    limit = datetime.now(UTC) - _ABANDONED
    partition = f"ALBUM#{album_id}#PHOTO#{PhotoStatus.UPLOADING}"
    for photo in list(services.photos.index_all(Index.GSI1, partition)):
        current = settle(services, photo)
        old = datetime.fromisoformat(photo.created_at) < limit
        if current.status is PhotoStatus.UPLOADING and old:
            try:
                abort(services, current)
            except Conflict:
                continue


def _upload_id(photo: Photo) -> str:
    if photo.status is not PhotoStatus.UPLOADING:
        raise Conflict("the upload is complete")
    if photo.upload_id is None:
        raise Conflict("this photo is uploaded in one piece")
    return photo.upload_id


def _judge(
    services: Services, photo: Photo, info: ObjectInfo
) -> tuple[PhotoStatus, str, str | None]:
    if info.size != photo.size:
        reason = f"{info.size:,} bytes arrived where {photo.size:,} were announced"
        return PhotoStatus.FAILED, photo.content_type, reason
    start = b"".join(services.objects.stream(photo.object_key, 0, 32))
    try:
        content_type = _TYPE_OF[image_format(start)]
    except ImageError as error:
        return PhotoStatus.FAILED, photo.content_type, str(error)
    return PhotoStatus.PENDING, content_type, None


def _photo_of(services: Services, key: str) -> Photo | None:
    parts = key.split("/")
    if len(parts) != 7 or parts[0] != "tenant":
        return None
    photo_id = parts[6].partition(".")[0]
    if not (is_id(parts[2]) and is_id(photo_id)):
        return None
    photo = services.photos.get(Photo.key_of(parts[2], photo_id))
    return photo if photo is not None and photo.object_key == key else None
