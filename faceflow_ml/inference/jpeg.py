"""The fast path for JPEG, nearly all photos: OpenCV's decoder, at a fraction of the size if asked.

It takes half the time of Pillow's.
"""

from __future__ import annotations

import re

import cv2
import numpy as np

from faceflow_ml.inference.types import ImageArray

# Scales alone: OpenCV's flags of reduced colour ask for BGR as well, and it refuses both orders.
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
)

# In entropy-coded data 0xFF is followed by 0x00 or a restart marker; anything else is a marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def decode_jpeg(data: bytes, size: tuple[int, int], max_side: int | None) -> ImageArray | None:
    """Decode a grey or YCbCr JPEG as RGB, its EXIF orientation ignored.

    size: (width, height) from its header. max_side: decode at 1/2, 1/4 or 1/8 if the longest
    side then still has this many pixels.
    Returns None if OpenCV cannot read it: the data is cut short, or of a rare kind.
    """
    factor, flags = 1, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    for candidate, reduced in _REDUCED:
        if max_side is not None and max(size) // candidate >= max_side:
            factor, flags = candidate, flags | reduced
            break
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    expected = (-(-size[1] // factor), -(-size[0] // factor), 3)
    if pixels is None or pixels.shape != expected:
        return None
    return np.asarray(pixels, dtype=np.uint8)


def scan_count(data: bytes) -> int:
    """Number of scans of the first image in a JPEG file (ITU-T T.81, annex B)."""
    scans, position = 0, 2
    while marker := _MARKER.search(data, position):
        code = data[marker.start() + 1]
        if code == _END_OF_IMAGE:
            break
        scans += code == _START_OF_SCAN
        length = int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        position = marker.end() + max(2, length)
    return scans
