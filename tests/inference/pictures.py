"""Pictures to encode and decode, and how far they are from each other afterwards."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pillow_heif
from PIL import Image


def smooth(height: int = 60, width: int = 96, seed: int = 0) -> np.ndarray:
    """A picture that lossy formats keep: no detail, no symmetry."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def error_of(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).mean())
