"""Boxes by another convention: how a detector's boxes lie to the labelled ones, and its undoing.

Whether hair, ears and chin belong to a face's box is a convention, and data sets and detectors
differ in it. A detector that finds every face, but draws tighter boxes than the labels, must not
look bad for it: its boxes are moved and scaled by the median difference, measured on photos that
are not those it is then evaluated on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.evaluation.detection import ImageDetections, ImageTruth
from faceflow_ml.inference.boxes import iou_matrix

_SAME_FACE = 0.3  # IoU that leaves no doubt which face is meant, and allows twice the side
_FEWEST = 20

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class BoxFit:
    """From a detector's boxes to labelled ones; shifts in parts of the found width and height.

    faces: how many it was measured on; with too few, nothing is changed.
    """

    shift_x: float
    shift_y: float
    scale_x: float
    scale_y: float
    faces: int

    def apply(self, found: ImageDetections) -> ImageDetections:
        """The same detections with the boxes moved and scaled."""
        size = found.boxes[:, 2:] - found.boxes[:, :2]
        middle = (found.boxes[:, 2:] + found.boxes[:, :2]) / 2
        middle = middle + size * np.array([self.shift_x, self.shift_y])
        half = size * np.array([self.scale_x, self.scale_y]) / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
        return ImageDetections(boxes, found.scores, found.landmarks)


def fit_boxes(found: Sequence[ImageDetections], truth: Sequence[ImageTruth]) -> BoxFit:
    """Measure how found boxes lie to labelled ones: medians over the faces that were found.

    Each labelled face is compared with the box that overlaps it most, at `_SAME_FACE` or more.

    >>> box = np.float32([[10, 10, 20, 20]])
    >>> points, ignore = np.zeros((1, 5, 2), np.float32), np.array([False])
    >>> tight = ImageDetections(box + np.float32([1, 1, -1, -1]), np.ones(1, np.float32), points)
    >>> fit = fit_boxes([tight] * 30, [ImageTruth(box, points, ignore)] * 30)
    >>> fit.scale_x, fit.apply(tight).boxes.tolist()
    (1.25, [[10.0, 10.0, 20.0, 20.0]])
    """
    rows = [_differences(f, t) for f, t in zip(found, truth, strict=True)]
    stacked = np.concatenate(rows) if rows else np.empty((0, 4))
    if len(stacked) < _FEWEST:
        return BoxFit(0.0, 0.0, 1.0, 1.0, len(stacked))
    shift_x, shift_y, scale_x, scale_y = (float(v) for v in np.median(stacked, axis=0))
    return BoxFit(shift_x, shift_y, scale_x, scale_y, len(stacked))


def _differences(found: ImageDetections, truth: ImageTruth) -> NDArray[np.float64]:
    """(k, 4) shift x, y and scale x, y of the faces of one photo that were found."""
    labelled = truth.boxes[~truth.ignore]
    overlap = iou_matrix(found.boxes, labelled)
    if not overlap.size:
        return np.empty((0, 4))
    face = np.flatnonzero(overlap.max(axis=0) >= _SAME_FACE)
    boxes, wanted = found.boxes[overlap[:, face].argmax(axis=0)], labelled[face]
    size = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    shift = ((wanted[:, 2:] + wanted[:, :2]) - (boxes[:, 2:] + boxes[:, :2])) / 2 / size
    return np.concatenate([shift, (wanted[:, 2:] - wanted[:, :2]) / size], axis=1)
