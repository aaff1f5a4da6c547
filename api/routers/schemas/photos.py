"""Photos as clients see them."""

from __future__ import annotations

from typing import Literal

from api.domain.models import Exif, PhotoStatus
from api.routers.schemas.base import Schema


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
