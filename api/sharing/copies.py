"""Photos as recipients get them: without metadata, and never the uploaded file itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pillow_heif
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from api.sharing.containers import Unreadable, strip_jpeg, strip_png, strip_webp
from faceflow_ml.inference.images import ImageFormat, image_format, load_photo

VIEW_SIDE = 2048
"""Longest side in pixels of the copy for looking at."""


@dataclass(frozen=True)
class Copy:
    """An encoded photo; ``extension`` without a dot."""

    data: bytes
    content_type: str
    extension: str


_TYPES: Mapping[str, str] = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "heic": "image/heic",
    "tif": "image/tiff",
    "bmp": "image/bmp",
    "gif": "image/gif",
}

_LOSSLESS: tuple[tuple[Callable[[bytes], bytes], str], ...] = (
    (strip_jpeg, "jpg"),
    (strip_png, "png"),
    (strip_webp, "webp"),
)

_DRAWN: frozenset[ImageFormat] = frozenset(["BMP", "GIF", "PNG"])
"""Formats of drawings and screenshots, which JPEG would blur."""


def clean_copy(data: bytes) -> Copy:
    """The photo in full size without metadata.

    JPEG, PNG and WebP keep their coded pixels; HEIC and TIFF become JPEG, and BMP and GIF PNG, both
    upright. The same bytes give the same copy.

    Raises:
        ImageError: no image, damaged or over the limits, see `load_photo`.
    """
    for strip, extension in _LOSSLESS:
        try:
            return Copy(strip(data), _TYPES[extension], extension)
        except Unreadable:
            continue
    return _encoded(data, quality=93, subsampling=0)


def raw_copy(data: bytes) -> Copy:
    """The photo as it was uploaded, metadata and all.

    Raises:
        ImageError: no image.
    """
    kind = image_format(data)
    extension = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
    return Copy(data, _TYPES[extension], extension)


def view_copy(data: bytes) -> Copy:
    """The photo upright with a longest side of at most VIEW_SIDE, for looking at.

    Raises:
        ImageError: no image, damaged or over the limits, see `load_photo`.
    """
    return _encoded(data, max_side=VIEW_SIDE, quality=85, subsampling=2)


def _encoded(data: bytes, *, quality: int, subsampling: int, max_side: int | None = None) -> Copy:
    photo = load_photo(data, max_side=max_side)
    image = Image.fromarray(photo.pixels)
    profile = _colour_profile(data, photo.format)
    out = io.BytesIO()
    if photo.format in _DRAWN:
        image.save(out, "PNG", icc_profile=profile)
        return Copy(out.getvalue(), _TYPES["png"], "png")
    image.save(out, "JPEG", quality=quality, subsampling=subsampling, icc_profile=profile)
    return Copy(out.getvalue(), _TYPES["jpg"], "jpg")


_READERS: Mapping[str, Callable[[io.BytesIO], Image.Image]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "HEIC": pillow_heif.HeifImageFile,
}


def _colour_profile(data: bytes, kind: ImageFormat) -> bytes | None:
    """The ICC profile of RGB pixels, if there is one (ICC.1:2022, 7.2: bytes 16 to 19 name the
    colour space)."""
    reader = _READERS.get(kind)
    if reader is None:
        return None
    with reader(io.BytesIO(data)) as image:
        profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile[16:20] == b"RGB " else None
