"""Aligned faces turned out of the picture's plane, by the shape of a head in general.

Most people of the training data have five to eight photos, few of them from the side. Turning what
there is by the shape of any head makes poses that they lack (Masi et al., "Do We Really Need to
Collect Millions of Faces for Effective Face Recognition?", 2016). The shape is a smooth bell with a
nose: coarse, but without folds and hidden parts for turns up to `MOST_DEGREES` to a side.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE, estimate_similarity
from faceflow_ml.inference.types import CROP_SIZE

MOST_DEGREES = 30.0

Points = NDArray[np.float64]

# In pixels of the template, of which the eyes are 35 apart: height over the plane of the ears at
# its middle, and how wide it is, for the head and for the nose upon it.
_MIDDLE = np.array([56.0, 71.0])
_HEAD = (40.0, np.array([32.0, 50.0]))
_NOSE = (12.0, np.array([6.5, 9.0]))


def face_depth(points: Points) -> NDArray[np.float64]:
    """How far points ``(..., 2)`` of the template lie before the plane of the ears, in pixels.

    >>> [round(float(z)) for z in face_depth(np.array([[56.0, 71.0], [38.0, 51.0], [5.0, 5.0]]))]
    [52, 32, 5]
    """
    return np.asarray(
        sum(
            height * np.exp(-0.5 * (((points - _MIDDLE) / width) ** 2).sum(axis=-1))
            for height, width in (_HEAD, _NOSE)
        )
    )


def turn_points(points: Points, yaw: float, pitch: float) -> Points:
    """Where points ``(..., 2)`` of the template are seen once the head is turned, in pixels.

    Args:
        yaw: degrees; above 0 the nose moves to the right of the picture.
        pitch: degrees; above 0 it moves up.
    """
    sideways, upwards = math.radians(yaw), math.radians(pitch)
    x, y = np.moveaxis(points - _MIDDLE, -1, 0)
    depth = face_depth(points)
    turned = depth * math.cos(sideways) - x * math.sin(sideways)
    x = x * math.cos(sideways) + depth * math.sin(sideways)
    y = y * math.cos(upwards) - turned * math.sin(upwards)
    return np.asarray(np.stack([x, y], axis=-1) + _MIDDLE)


def turn_map(size: int, yaw: float, pitch: float) -> NDArray[np.float32]:
    """Where each pixel of a turned and newly aligned face comes from: ``(size, size, 2)`` x, y.

    For `cv2.remap` of an aligned face of ``size`` pixels.

    Raises:
        ValueError: it is turned by more than `MOST_DEGREES` to a side, or half of that up or down.
    """
    if max(abs(yaw), 2 * abs(pitch)) > MOST_DEGREES:
        raise ValueError(
            f"faces are turned by {MOST_DEGREES} degrees at most, up and down by half of that, "
            f"not by {yaw}, {pitch}"
        )
    scale = size / CROP_SIZE
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1) / scale
    # As the aligner leaves a face in this pose: its landmarks as near to the template as may be.
    back = estimate_similarity(ARCFACE_TEMPLATE, turn_points(ARCFACE_TEMPLATE, yaw, pitch))
    seen = grid @ back[:, :2].T + back[:, 2]
    source = seen.copy()
    for _ in range(25):  # a contraction: the shape is flat enough
        source -= turn_points(source, yaw, pitch) - seen
    return np.asarray(source * scale, np.float32)


@lru_cache(maxsize=4)
def turn_maps(size: int, degrees: float, count: int = 64) -> tuple[NDArray[np.float32], ...]:
    """`turn_map` of ``count`` turns: by up to ``degrees`` to either side, half as much up or down.

    The same in every process.
    """
    rng = np.random.default_rng(0)
    yaws = rng.uniform(-degrees, degrees, count)
    pitches = rng.uniform(-degrees / 2, degrees / 2, count)
    return tuple(turn_map(size, yaw, pitch) for yaw, pitch in zip(yaws, pitches, strict=True))


def turn_face(face: NDArray[np.uint8], turn: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn an aligned face ``(s, s, 3)`` uint8 by a `turn_map` of its size."""
    # The stubs know nothing of a map that holds x and y.
    turned = cv2.remap(  # type: ignore[call-overload]
        face, turn, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, np.uint8)
