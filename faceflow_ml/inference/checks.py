"""Validation of array and scalar arguments: ValueError says what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from faceflow_ml.inference.types import CROP_SIZE, FloatArray, ImageArray


def describe(value: object) -> str:
    """Shape and dtype of an array, or the type's name, for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return type(value).__name__


def check_image(image: Any) -> ImageArray:
    """A C-contiguous (H, W, 3) uint8 image with at least one pixel; views are copied."""
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or image.size == 0
    ):
        raise ValueError(
            f"expected an RGB image (H, W, 3) uint8 with H, W >= 1, got {describe(image)}"
        )
    return np.ascontiguousarray(image)


def check_crops(crops: Any) -> ImageArray:
    """C-contiguous aligned faces (n, 112, 112, 3) uint8, n >= 0."""
    if (
        not isinstance(crops, np.ndarray)
        or crops.dtype != np.uint8
        or crops.shape[1:] != (CROP_SIZE, CROP_SIZE, 3)
    ):
        raise ValueError(
            f"expected aligned RGB faces (n, {CROP_SIZE}, {CROP_SIZE}, 3) uint8, "
            f"got {describe(crops)}"
        )
    return np.ascontiguousarray(crops)


def check_landmarks(landmarks: Any) -> npt.NDArray[np.float64]:
    """Finite (n, 5, 2) landmarks as float64."""
    if (
        not isinstance(landmarks, np.ndarray)
        or landmarks.dtype.kind not in "fiu"
        or landmarks.shape[1:] != (5, 2)
    ):
        raise ValueError(f"expected landmarks (n, 5, 2) in pixels, got {describe(landmarks)}")
    points = landmarks.astype(np.float64)
    if not np.isfinite(points).all():
        raise ValueError("expected finite landmarks, got NaN or infinity")
    return points


def check_norms(norms: Any, n: int) -> FloatArray:
    """Finite non-negative (n,) embedding lengths."""
    values = np.asarray(norms)
    if values.shape != (n,) or values.dtype.kind not in "fiu":
        raise ValueError(f"expected norms ({n},), got {describe(values)}")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("expected finite norms >= 0")
    return values.astype(np.float32)


def check_unit(value: Any, name: str) -> float:
    """A real number in [0, 1]."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and value is not True
    if not real or value is False or not 0.0 <= float(value) <= 1.0:
        raise ValueError(f"expected {name} in [0, 1], got {value!r}")
    return float(value)


def check_count(value: Any, name: str, minimum: int = 1) -> int:
    """An integer >= ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise ValueError(f"expected {name} to be an integer >= {minimum}, got {value!r}")
    return int(value)
