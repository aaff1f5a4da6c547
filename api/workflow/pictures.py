"""Small pictures of photos and faces, and how sharp a photo is."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL_SIDE = 512
_BLUR_SIDE = 12
_THUMBNAIL_QUALITY = 82
_CROP_QUALITY = 86
_BLUR_QUALITY = 50

Pixels = NDArray[np.uint8]


def thumbnail(pixels: Pixels) -> Pixels:
    """The photo with its longer side at most 512 pixels."""
    return shrink(pixels, THUMBNAIL_SIDE)


def shrink(pixels: Pixels, side: int) -> Pixels:
    """The photo with its longer side at most ``side`` pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def thumbnail_jpeg(small: Pixels) -> bytes:
    """A thumbnail as JPEG, which has no metadata."""
    return jpeg(small, _THUMBNAIL_QUALITY)


def crop_jpeg(face: Pixels) -> bytes:
    """A picture of a face as JPEG."""
    return jpeg(face, _CROP_QUALITY)


def blur_url(small: Pixels) -> str:
    """A dozen pixels of the photo as a data URL of some 400 characters."""
    data = jpeg(shrink(small, _BLUR_SIDE), _BLUR_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def sharpness(small: Pixels) -> float:
    """Variance of the Laplacian of the thumbnail in grey levels: below 50 blurred, over 500 crisp.

    Pertuz et al. (2013), "Analysis of focus measure operators", LAPV. On the thumbnail, so that
    photos of any size compare, and the sensor's noise does not count as detail.
    """
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return round(float(cv2.Laplacian(grey, cv2.CV_32F).var()), 2)


def decode(data: bytes) -> Pixels | None:
    """A picture of ours as RGB; None if it is damaged."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return None if pixels is None else np.asarray(pixels, dtype=np.uint8)


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """RGB pixels as JPEG.

    Raises:
        ValueError: not of a size that JPEG has.
    """
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"no JPEG of {pixels.shape}")
    return data.tobytes()
