"""A second look at each candidate of a detector: is it a face, and where exactly are its borders?

A detector sees the whole photo and spends little on each place of it. The refiner sees every
candidate by itself, enlarged, and judges again (a cascade, as in MTCNN, Zhang et al., 2016,
arXiv:1604.02878).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from faceflow_ml.inference.alignment import warp
from faceflow_ml.inference.checks import check_image
from faceflow_ml.inference.pretrained import RefinerPreprocessing
from faceflow_ml.inference.scores import log_odds as log_odds_of
from faceflow_ml.inference.types import VIEW_SIZE, FloatArray, ImageArray
from faceflow_ml.inference.view_model import ViewModel

CONTEXT = 1.6
"""Side of the square that the network sees around a box, over the square root of its area."""

_FURTHEST = 1.0  # more than the network was trained to move a border
# How much the refiner's word counts beside the detector's. It knows its candidates from training
# photos, on which the detector errs less. See docs/decisions/0056 and 0075.
_WEIGHT = 0.25


class FaceRefiner(ViewModel):
    """Judges candidates; loads an ONNX model that obeys the refiner contract.

    The model takes ``images`` uint8 (n, 64, 64, 3) RGB, and gives ``judgements`` (n, 5): the
    log-odds that there is a face which its box, once changed, overlaps well, and the changes of the
    box as `change_boxes` applies them.
    """

    kind = "refiner"
    preprocessing = RefinerPreprocessing
    output = "judgements"
    columns = 5

    def refine_batch(
        self,
        images: Sequence[ImageArray],
        boxes: Sequence[FloatArray],
        scores: Sequence[FloatArray],
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Judge the candidates of several photos, which run together.

        images: (H, W, 3) uint8 RGB each. boxes: (n, 4) pixels each, n >= 0, with an area. scores:
        (n,) in [0, 1] each, the detector's.
        Returns for every photo the boxes (n, 4) float32, moved, which may reach outside the photo,
        and the scores (n,) float32 in [0, 1], both judgements in one.
        """
        photos = [check_image(image) for image in images]
        views = [
            box_view(photo, box)
            for photo, some in zip(photos, boxes, strict=True)
            for box in some.astype(np.float64)
        ]
        ends = np.cumsum([len(some) for some in boxes], dtype=np.int64)
        parts = np.split(self._run(views), ends)[:-1]  # what is behind the last end is empty
        return [
            (change_boxes(box, part[:, 1:]), combine_scores(score, part[:, 0]))
            for box, score, part in zip(boxes, scores, parts, strict=True)
        ]


def box_view(photo: ImageArray, box: npt.NDArray[np.float64]) -> ImageArray:
    """What the network sees of a box: ``(64, 64, 3)`` uint8, the square around its centre.

    Args:
        photo: ``(h, w, 3)`` uint8 RGB.
        box: ``(4,)`` x1, y1, x2, y2 in pixels, with an area; may reach outside the photo.
    """
    x1, y1, x2, y2 = box.tolist()
    scale = VIEW_SIZE / (CONTEXT * math.sqrt((x2 - x1) * (y2 - y1)))
    # Corners of pixels have whole coordinates in boxes; in a warp, centres of pixels have.
    x, y = (VIEW_SIZE / 2 - (c - 0.5) * scale - 0.5 for c in ((x1 + x2) / 2, (y1 + y2) / 2))
    view = np.zeros((VIEW_SIZE, VIEW_SIZE, 3), np.uint8)
    warp(photo, np.array([[scale, 0.0, x], [0.0, scale, y]]), view)
    return view


def change_boxes(boxes: npt.NDArray[np.floating], changes: npt.NDArray[np.floating]) -> FloatArray:
    """Move the centres of boxes ``(n, 4)`` and stretch them.

    Args:
        boxes: x1, y1, x2, y2 in pixels.
        changes: ``(n, 4)`` x, y of the centre, over the square root of the box's area, and the
            logarithms of the factors of its width and height.

    >>> change_boxes(np.array([[0.0, 0, 4, 4]]), np.array([[0.25, 0, 0, np.log(2)]]))
    array([[ 1., -2.,  5.,  6.]], dtype=float32)
    """
    limited = np.clip(changes, -_FURTHEST, _FURTHEST)
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    centre = centre + limited[:, :2] * np.sqrt(size.prod(axis=1, keepdims=True))
    half = size * np.exp(limited[:, 2:]) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def changes_between(boxes: npt.NDArray[np.floating], faces: npt.NDArray[np.floating]) -> FloatArray:
    """The changes ``(n, 4)`` that take boxes to faces, both ``(n, 4)``: see `change_boxes`.

    >>> changes_between(np.array([[0.0, 0, 4, 4]]), np.array([[1.0, 0, 5, 4]]))
    array([[0.25, 0.  , 0.  , 0.  ]], dtype=float32)
    """
    size, wanted = boxes[:, 2:] - boxes[:, :2], faces[:, 2:] - faces[:, :2]
    moved = (faces[:, :2] + faces[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2
    moved = moved / np.sqrt(size.prod(axis=1, keepdims=True))
    return np.concatenate([moved, np.log(wanted / size)], axis=1).astype(np.float32)


def combine_scores(
    scores: npt.NDArray[np.floating], log_odds: npt.NDArray[np.floating]
) -> FloatArray:
    """One score ``(n,)`` of the detector's and the refiner's: the weighted mean of the log-odds.

    >>> combine_scores(np.array([0.5, 0.8]), np.array([0.0, 0.0])).round(2)
    array([0.5 , 0.74], dtype=float32)
    """
    both = (1 - _WEIGHT) * log_odds_of(scores) + _WEIGHT * log_odds
    return (1 / (1 + np.exp(-both))).astype(np.float32)
