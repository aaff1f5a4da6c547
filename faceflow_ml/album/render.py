"""Pictures for the gallery: face crops and thumbnails, as JPEG."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from faceflow_ml.album.records import PhotoRecord
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_write_bytes
from faceflow_ml.inference.types import FloatArray, ImageArray

CROP_SIDE = 256
THUMBNAIL_SIDE = 800
_CONTEXT = 1.6  # a face's picture is this much wider than its box
_QUALITY = 86

PICTURE_FOLDERS = ("crops", "thumbs")
"""Where in an output folder pictures are."""

# A comment segment (ITU-T T.81, B.2.4.5) behind the 20 bytes of the JFIF header tells our pictures
# from others'.
_HEADER_BYTES = 20
_SIGNATURE = b"Made by FaceFlow"
_COMMENT = b"\xff\xfe" + (len(_SIGNATURE) + 2).to_bytes(2, "big") + _SIGNATURE
_NAME = re.compile(r"[0-9a-f]{16}\.jpg")

# What every current browser shows by itself.
_BROWSER_FORMATS = frozenset({"JPEG", "PNG", "WebP", "GIF", "BMP"})
_DIRECT_SIDE = 1280


def needs_thumbnail(record: PhotoRecord) -> bool:
    """Whether the gallery shows this photo by a smaller copy.

    True for formats that browsers do not show, and for photos so large that a page of them
    would be slow.
    """
    too_large = max(record.width, record.height) > _DIRECT_SIDE
    return too_large or not browser_shows(record)


def browser_shows(record: PhotoRecord) -> bool:
    """Whether browsers show the original file."""
    return record.format in _BROWSER_FORMATS


def crop_path(out: Path, face_id: str) -> Path:
    """Where the picture of a face is."""
    return out / "crops" / f"{face_id}.jpg"


def thumbnail_path(out: Path, photo_id: str) -> Path:
    """Where the smaller copy of a photo is."""
    return out / "thumbs" / f"{photo_id}.jpg"


def write_pictures(out: Path, record: PhotoRecord, image: ImageArray) -> None:
    """Write the crops of all faces of a photo and, where it needs one, its thumbnail.

    They are not waited for until they are on the disk: `missing_pictures` finds what a power
    failure left empty, and the next run makes it again.

    image: the photo's pixels, at its full size or smaller.
    """
    scale = image.shape[1] / record.width

    def write(path: Path, picture: ImageArray) -> None:
        atomic_write_bytes(path, _jpeg(picture), durable=False)

    for face_id, box in zip(record.face_ids, record.detections.boxes, strict=True):
        write(crop_path(out, face_id), face_picture(image, box * scale))
    if needs_thumbnail(record):
        write(thumbnail_path(out, record.photo_id), thumbnail(image))


def missing_pictures(out: Path, record: PhotoRecord) -> bool:
    """Whether any picture of this photo is absent or empty."""
    wanted = [crop_path(out, face_id) for face_id in record.face_ids]
    if needs_thumbnail(record):
        wanted.append(thumbnail_path(out, record.photo_id))
    return not all(_has_content(picture) for picture in wanted)


def is_own_picture(path: Path) -> bool:
    """Whether `write_pictures` wrote this file."""
    if not _NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(_HEADER_BYTES + len(_COMMENT))[_HEADER_BYTES:] == _COMMENT
    except OSError:
        return False


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def face_picture(image: ImageArray, box: FloatArray) -> ImageArray:
    """A square around ``box`` (x1, y1, x2, y2 px), at most 256 pixels a side.

    Near a border the square moves inwards and, where the photo is smaller than it, shrinks:
    nothing is made up outside the photo.
    """
    left, top, side = face_square(image.shape[1], image.shape[0], box)
    return _shrink(image[top : top + side, left : left + side], CROP_SIDE)


def face_square(width: int, height: int, box: FloatArray) -> tuple[int, int, int]:
    """Left, top and side, in pixels, of what `face_picture` shows of a photo of this size."""
    x1, y1, x2, y2 = (float(value) for value in box)
    side = max(1, min(round(max(x2 - x1, y2 - y1) * _CONTEXT), width, height))
    left = min(max(round((x1 + x2 - side) / 2), 0), width - side)
    top = min(max(round((y1 + y2 - side) / 2), 0), height - side)
    return left, top, side


def thumbnail(image: ImageArray) -> ImageArray:
    """``image`` with its longer side at most 800 pixels."""
    return _shrink(image, THUMBNAIL_SIDE)


def _shrink(image: ImageArray, side: int) -> ImageArray:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _jpeg(image: ImageArray) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not ok:
        raise FaceFlowError("a picture for the gallery could not be encoded")
    plain = data.tobytes()
    return plain[:_HEADER_BYTES] + _COMMENT + plain[_HEADER_BYTES:]
