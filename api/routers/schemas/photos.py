"""Photos as clients see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import JsonValue

from api.domain.models import Exif, Photo, PhotoStatus
from api.domain.photos import PhotoFace, PhotoWithFaces
from api.objects import keys
from api.routers.schemas.base import Schema
from api.services import Services


class FaceView(Schema):
    """A face of a photo; ``box`` is x1, y1, x2, y2 in pixels of the upright photo."""

    id: str
    box: tuple[float, float, float, float]
    score: float
    cluster: str | None
    """The person it is shown with."""
    confidence: float | None


class PhotoView(Schema):
    """A photo of an album.

    ``thumbUrl`` is null until there is a thumbnail; ``blur`` is a tiny data URL to show meanwhile.
    """

    id: str
    album_id: str
    status: PhotoStatus
    filename: str
    content_type: str
    size: int
    created_at: str
    width: int | None
    height: int | None
    exif: Exif | None
    sharpness: float | None
    sha256: str | None
    blur: str | None
    thumb_url: str | None
    original_url: str | None
    """Full size, as a download; null when the original was purged."""
    original_purged: bool
    duplicate_of: str | None
    duplicate_kind: Literal["exact", "near"] | None
    error: str | None
    faces: tuple[FaceView, ...]


class PhotoPage(Schema):
    """Part of a list of photos; pass ``cursor`` on for the next part, null: there is no more."""

    photos: tuple[PhotoView, ...]
    cursor: str | None


def photo_view(services: Services, entry: PhotoWithFaces) -> PhotoView:
    """A photo with URLs that are good for some time."""
    return PhotoView.model_validate(photo_values(services, entry.photo, entry.faces))


def photo_values(
    services: Services, photo: Photo, faces: Iterable[PhotoFace]
) -> dict[str, JsonValue | Exif]:
    """All that `photo_view` says, by its names in JSON: what makes hundreds needs no views."""
    seconds = services.settings.view_url_seconds
    thumb = original = None
    # The thumbnail is there from the step that found the size on.
    if photo.width is not None:
        key = keys.thumbnail(photo.user_id, photo.album_id, photo.id)
        thumb = services.signer.sign_get(key, seconds=seconds).url
    if not photo.original_purged:
        original = services.signer.sign_get(
            photo.object_key, seconds=seconds, filename=photo.filename
        ).url
    return {
        "id": photo.id,
        "albumId": photo.album_id,
        "status": photo.status,
        "filename": photo.filename,
        "contentType": photo.content_type,
        "size": photo.size,
        "createdAt": photo.created_at,
        "width": photo.width,
        "height": photo.height,
        "exif": photo.exif,
        "sharpness": photo.sharpness,
        "sha256": photo.sha256,
        "blur": photo.blur,
        "thumbUrl": thumb,
        "originalUrl": original,
        "originalPurged": photo.original_purged,
        "duplicateOf": photo.duplicate_of,
        "duplicateKind": photo.duplicate_kind,
        "error": photo.error if photo.status is PhotoStatus.FAILED else None,
        "faces": [
            {
                "id": seen.face.id,
                "box": list(seen.face.box),
                "score": seen.face.score,
                "cluster": seen.cluster,
                "confidence": seen.confidence,
            }
            for seen in faces
        ],
    }
