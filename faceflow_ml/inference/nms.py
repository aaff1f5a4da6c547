"""Greedy non-maximum suppression in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from faceflow_ml.inference.boxes import iou_matrix
from faceflow_ml.inference.checks import check_unit, describe


def nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, iou_threshold: float) -> npt.NDArray[np.intp]:
    """Indices of the boxes that survive greedy NMS, by descending score.

    A box is dropped when its IoU with a kept box of higher score is above ``iou_threshold``.
    Equal scores keep their input order.

    boxes: (n, 4) x1 y1 x2 y2, finite. scores: (n,), finite. iou_threshold: in [0, 1].
    Raises ValueError for other shapes or values.
    """
    box = np.asarray(boxes, dtype=np.float64)
    score = np.asarray(scores, dtype=np.float64)
    threshold = check_unit(iou_threshold, "iou_threshold")
    if score.ndim != 1 or box.shape != (len(score), 4):
        raise ValueError(
            f"expected boxes (n, 4) and scores (n,), got {describe(box)} and {describe(score)}"
        )
    if not (np.isfinite(box).all() and np.isfinite(score).all()):
        raise ValueError("expected finite boxes and scores")

    order = np.argsort(-score, kind="stable")
    x1, y1, x2, y2 = box[order].T.copy()
    area = np.maximum(x2 - x1, 0.0) * np.maximum(y2 - y1, 0.0)
    alive = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    position = 0
    while True:
        # argmax finds the next survivor in C: dense clusters of boxes cost one step, not one each.
        step = int(alive[position:].argmax()) if position < len(alive) else 0
        position += step
        if position >= len(alive) or not alive[position]:
            return order[kept]
        kept.append(position)
        i, rest = position, slice(position + 1, None)
        width = np.minimum(x2[rest], x2[i]) - np.maximum(x1[rest], x1[i])
        height = np.minimum(y2[rest], y2[i]) - np.maximum(y1[rest], y1[i])
        overlap = np.maximum(width, 0.0) * np.maximum(height, 0.0)
        alive[rest] &= overlap <= threshold * (area[rest] + area[i] - overlap)
        position += 1


def blend(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    landmarks: npt.NDArray[np.float32],
    kept: npt.NDArray[np.intp],
    iou_threshold: float,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Average each kept prediction with those of the same face that it suppressed.

    Neighbouring points predict the same face with errors of their own, so that their weighted
    mean is closer to it than the best alone (BlazeFace, Bazarevsky et al., 2019). Weights are
    score times IoU; predictions of less than half the kept score have no say.

    Args:
        boxes: (n, 4) x1 y1 x2 y2, all candidates.
        scores: (n,).
        landmarks: (n, 5, 2).
        kept: (k,) indices that `nms` returned.
        iou_threshold: predictions that overlap the kept one at least this much are of its face.

    Returns:
        Boxes (k, 4) and landmarks (k, 5, 2).
    """
    chosen = boxes[kept]
    iou = iou_matrix(chosen, boxes)
    say = (iou >= iou_threshold) & (scores[None] >= scores[kept][:, None] / 2)
    weight = (iou * scores[None] * say).astype(np.float32)
    weight[np.arange(len(kept)), kept] += 1e-9  # a prediction without area still speaks for itself
    weight /= weight.sum(axis=1, keepdims=True)
    points = weight @ landmarks.reshape(len(landmarks), 10)
    if not len(kept):
        return chosen, points.reshape(-1, 5, 2)
    # Rounding must not carry a mean beyond its terms, which lie inside the photo.
    return np.clip(weight @ boxes, boxes.min(axis=0), boxes.max(axis=0)), points.reshape(-1, 5, 2)
