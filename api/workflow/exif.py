"""What the camera wrote into a photo. All of it is untrusted: what makes no sense is left out."""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.domain.models import Exif
from faceflow_ml.inference.images import READERS, ImageFormat, exif_orientation

_MAKE, _MODEL, _DATE_TIME = 0x010F, 0x0110, 0x0132
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_ORIGINAL, _DIGITIZED = 0x9003, 0x9004
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4
_MAX_TEXT = 100
_EARLIEST = 1826  # the first photo


def read_exif(data: bytes, kind: ImageFormat) -> Exif:
    """The metadata of an encoded photo (Exif 2.32); empty where there is none that can be read.

    kind: what the content is, see `faceflow_ml.inference.images.image_format`.
    """
    try:
        with READERS[kind](io.BytesIO(data)) as image:
            orientation = exif_orientation(image)
            tags = image.getexif()
            if not tags:
                return Exif()
            detail = tags.get_ifd(_EXIF_IFD)
            place = tags.get_ifd(_GPS_IFD)
            return _exif(dict(tags), dict(detail), dict(place), orientation)
    except Exception:  # noqa: BLE001 - damaged metadata raises anything, and spoils no photo
        return Exif()


def _exif(
    tags: Mapping[int, Any],
    detail: Mapping[int, Any],
    place: Mapping[int, Any],
    orientation: int,
) -> Exif:
    times = (detail.get(_ORIGINAL), detail.get(_DIGITIZED), tags.get(_DATE_TIME))
    latitude = _degrees(place.get(_LATITUDE), place.get(_LATITUDE_REF), "S", 90)
    longitude = _degrees(place.get(_LONGITUDE), place.get(_LONGITUDE_REF), "W", 180)
    known = latitude is not None and longitude is not None
    return Exif(
        taken_at=next((found for found in map(_time, times) if found is not None), None),
        orientation=orientation,
        camera=_camera(_text(tags.get(_MAKE)), _text(tags.get(_MODEL))),
        latitude=latitude if known else None,
        longitude=longitude if known else None,
    )


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    shown = "".join(c for c in value if unicodedata.category(c)[0] != "C" and c != "\ufffd")
    return " ".join(shown.split())[:_MAX_TEXT]


def _camera(make: str, model: str) -> str | None:
    """Make and model; many models begin with the make already."""
    if make and model.lower().startswith(make.split()[0].lower()):
        return model
    return f"{make} {model}".strip() or None


def _time(value: object) -> str | None:
    try:
        found = datetime.strptime(_text(value), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - has no zone
    except ValueError:
        return None
    return found.isoformat() if found.year >= _EARLIEST else None


def _degrees(value: Any, reference: object, negative: str, limit: float) -> float | None:
    """Degrees, minutes and seconds as signed degrees."""
    try:
        degrees, minutes, seconds = (float(part) for part in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    found = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(found) or not 0 <= found <= limit:
        return None
    return round(-found if _text(reference).upper() == negative else found, 6)
