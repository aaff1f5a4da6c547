"""Which face of a photo is the one that it is a photo of."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def main_face(boxes: ArrayLike, scores: ArrayLike, width: float, height: float) -> int | None:
    """The position of the main face: large, near the middle, and surely a face.

    The main face has the largest product of area, score, and nearness to the middle, which is 1
    in the middle of the photo and falls linearly to 0 in its corners.

    Args:
        boxes: (n, 4) xyxy in pixels.
        scores: (n,) of the detector, in [0, 1].
        width, height: of the photo, in pixels.

    Returns:
        An index, or None where n is 0.

    Raises:
        ValueError: boxes are not (n, 4), or there is not one score a box.

    >>> main_face([[0, 0, 40, 40], [35, 35, 65, 65]], [0.9, 0.9], 100, 100)
    1
    """
    corners, certainty = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    if corners.size == certainty.size == 0:
        return None
    if corners.ndim != 2 or corners.shape[1] != 4 or certainty.shape != (len(corners),):
        raise ValueError(
            f"expected boxes (n, 4) and scores (n,), got {corners.shape} and {certainty.shape}"
        )
    area = np.clip(corners[:, 2:] - corners[:, :2], 0, None).prod(axis=1)
    middle = np.array([width, height]) / 2
    away = np.linalg.norm((corners[:, :2] + corners[:, 2:]) / 2 - middle, axis=1)
    nearness = np.clip(1 - away / np.linalg.norm(middle), 0, None)
    return int(np.argmax(area * certainty * nearness))
