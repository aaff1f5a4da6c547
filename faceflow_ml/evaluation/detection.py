"""Detection metrics over a set of images, as pure functions of detections and truth.

Matching follows PASCAL VOC and WIDER FACE: detections by falling score, each takes the free face
it overlaps most if the IoU is at least the threshold; what overlaps only an ignored face counts
neither for nor against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.inference.boxes import iou_matrix

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class ImageTruth:
    """Faces of one image: ``boxes`` (m, 4) xyxy px, ``landmarks`` (m, 5, 2) px or NaN where
    unknown, ``ignore`` (m,) bool."""

    boxes: FloatArray
    landmarks: FloatArray
    ignore: NDArray[np.bool_]


@dataclass(frozen=True)
class ImageDetections:
    """What a detector said of one image: ``boxes`` (n, 4), ``scores`` (n,), ``landmarks``
    (n, 5, 2)."""

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray


@dataclass(frozen=True)
class MatchedDetections:
    """Detections of all images by falling score, ignored ones left out.

    Attributes:
        scores: ``(n,)``.
        hits: ``(n,)`` bool, true positives.
        landmark_errors: ``(n,)`` mean landmark distance over the eye distance; NaN where the
            detection is false or the face's landmarks are unknown.
        images: ``(n,)`` which image each is of.
        faces: number of faces that count.
        image_count: number of images.
    """

    scores: FloatArray
    hits: NDArray[np.bool_]
    landmark_errors: FloatArray
    images: NDArray[np.int64]
    faces: int
    image_count: int


@dataclass(frozen=True)
class PrCurve:
    """Precision and recall at falling scores, all ``(n,)`` in [0, 1]."""

    scores: FloatArray
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def match_detections(
    detections: Sequence[ImageDetections],
    truth: Sequence[ImageTruth],
    *,
    iou_threshold: float = 0.5,
) -> MatchedDetections:
    """Match the detections of every image with its faces.

    Raises:
        ValueError: the two sequences differ in length.
    """
    if len(detections) != len(truth):
        raise ValueError(f"got detections of {len(detections)} images, truth of {len(truth)}")
    parts: list[tuple[FloatArray, NDArray[np.bool_], FloatArray]] = []
    owners: list[NDArray[np.int64]] = []
    for i, (found, faces) in enumerate(zip(detections, truth, strict=True)):
        part = _match_image(found, faces, iou_threshold)
        parts.append(part)
        owners.append(np.full(len(part[0]), i, np.int64))
    scores = np.concatenate([p[0] for p in parts]) if parts else np.zeros(0, np.float32)
    order = np.argsort(-scores, kind="stable")
    empty = np.zeros(0)
    return MatchedDetections(
        scores[order],
        (np.concatenate([p[1] for p in parts]) if parts else empty.astype(np.bool_))[order],
        (np.concatenate([p[2] for p in parts]) if parts else empty.astype(np.float32))[order],
        (np.concatenate(owners) if owners else empty.astype(np.int64))[order],
        sum(int((~faces.ignore).sum()) for faces in truth),
        len(truth),
    )


def _match_image(
    found: ImageDetections, faces: ImageTruth, threshold: float
) -> tuple[FloatArray, NDArray[np.bool_], FloatArray]:
    order = np.argsort(-found.scores, kind="stable")
    overlap = iou_matrix(found.boxes[order], faces.boxes)
    ignored = np.flatnonzero(faces.ignore)
    free = ~faces.ignore
    hits = np.zeros(len(order), np.bool_)
    counted = np.ones(len(order), np.bool_)
    errors = np.full(len(order), np.nan, np.float32)
    for row, position in enumerate(order):
        candidates = np.where(free, overlap[row], -1.0)
        best = int(candidates.argmax()) if len(candidates) else -1
        if best >= 0 and candidates[best] >= threshold:
            free[best] = False
            hits[row] = True
            errors[row] = landmark_error(found.landmarks[position], faces.landmarks[best])
        elif len(ignored) and overlap[row, ignored].max() >= threshold:
            counted[row] = False
    return found.scores[order][counted], hits[counted], errors[counted]


def landmark_error(predicted: FloatArray, truth: FloatArray) -> float:
    """Mean distance of ``(5, 2)`` landmarks over the true eye distance; NaN if any is unknown."""
    eyes = float(np.linalg.norm(truth[1] - truth[0]))
    if not np.isfinite(truth).all() or eyes <= 0:
        return float("nan")
    return float(np.linalg.norm(predicted - truth, axis=1).mean() / eyes)


def pr_curve(matched: MatchedDetections) -> PrCurve:
    """Precision and recall as the score threshold falls."""
    true_positives = np.cumsum(matched.hits)
    count = np.arange(1, len(matched.hits) + 1)
    return PrCurve(matched.scores, true_positives / count, true_positives / max(1, matched.faces))


def average_precision(matched: MatchedDetections) -> float:
    """Area under the precision envelope (PASCAL VOC 2010), in [0, 1]."""
    curve = pr_curve(matched)
    envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], curve.recall]))
    return float(np.sum(steps * envelope))


def recall_at_false_positives(matched: MatchedDetections, false_positives: float) -> float:
    """Highest recall with at most this many false positives over all images."""
    allowed = np.cumsum(~matched.hits) <= false_positives
    return float(np.sum(matched.hits & allowed)) / max(1, matched.faces)


def score_at_false_positives(matched: MatchedDetections, false_positives: float) -> float:
    """The lowest score threshold (keep at or above) with at most this many false positives."""
    allowed = np.flatnonzero(np.cumsum(~matched.hits) <= false_positives)
    return float(matched.scores[allowed[-1]]) if len(allowed) else 1.0


def median_landmark_error(matched: MatchedDetections, *, min_score: float = 0.0) -> float:
    """Median of `landmark_error` over the hits that score at least ``min_score``; NaN if none."""
    errors = matched.landmark_errors[matched.scores >= min_score]
    errors = errors[np.isfinite(errors)]
    return float(np.median(errors)) if len(errors) else float("nan")
