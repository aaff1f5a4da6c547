"""What a camera does to a picture: white balance, exposure, blur, noise, low resolution, JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from faceflow_ml.data.synth.raster import FloatArray, Image8


def degrade(image: Image8, rng: np.random.Generator, strength: float = 1.0) -> Image8:
    """A photo (H, W, 3) uint8 RGB as a camera would have kept it; 0 leaves it almost alone."""
    if strength < 0:
        raise ValueError(f"strength must be >= 0, got {strength}")
    gains = np.exp(rng.normal(0, 0.035 * strength, 3)) * np.exp(rng.normal(0, 0.10 * strength))
    gamma = np.exp(rng.normal(0, 0.10 * strength))
    levels = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    table = np.clip(levels**gamma * gains[None], 0, 1) * 255
    picture = cv2.LUT(image, (table + 0.5).astype(np.uint8)[None])
    height, width = picture.shape[:2]
    kind = rng.random()
    if kind < 0.16 * strength:
        scale = rng.uniform(0.35, 0.8)
        small = (max(int(width * scale), 8), max(int(height * scale), 8))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    elif kind < 0.45 * strength:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.35, 1.1)))
    level = abs(rng.normal(0, 3.0 * strength))
    if level > 0.6:
        # One draw of noise at a random shift: as good as fresh noise, and far cheaper.
        noise = _noise_tile(height, width, rng) * np.float32(level)
        picture = np.clip(picture.astype(np.float32) + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.8 * strength:
        quality = int(rng.integers(45, 96))
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(picture, np.uint8)


_TILE = np.random.default_rng(77).standard_normal((640, 640, 3), dtype=np.float32)


def _noise_tile(height: int, width: int, rng: np.random.Generator) -> FloatArray:
    top, left = int(rng.integers(256)), int(rng.integers(256))
    rows = (np.arange(height) + top) % len(_TILE)
    columns = (np.arange(width) + left) % len(_TILE)
    return _TILE[rows[:, None], columns[None]]
