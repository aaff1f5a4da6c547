"""Geometry of boxes x1, y1, x2, y2."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", np.float32, np.float64)


def iou_matrix(a: npt.NDArray[Number], b: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Intersection over union of boxes (n, 4) with boxes (m, 4): (n, m) in [0, 1].

    >>> others = np.array([[0.0, 0, 2, 2], [1, 0, 2, 2], [2, 0, 4, 2]])
    >>> iou_matrix(others[:1], others)
    array([[1. , 0.5, 0. ]])
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    area_a = (a[:, 2:] - a[:, :2]).prod(-1)
    area_b = (b[:, 2:] - b[:, :2]).prod(-1)
    return np.asarray(shared / np.maximum(area_a[:, None] + area_b[None] - shared, 1e-9))
