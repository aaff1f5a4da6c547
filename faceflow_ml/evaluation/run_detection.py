"""Run a detector over labelled photos and measure it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.records import DetectionSample
from faceflow_ml.evaluation.detection import (
    ImageDetections,
    ImageTruth,
    MatchedDetections,
    average_precision,
    landmark_error,
    match_detections,
    median_landmark_error,
    pr_curve,
    recall_at_false_positives,
    score_at_false_positives,
)
from faceflow_ml.evaluation.reliability import Reliability, reliability
from faceflow_ml.inference.boxes import iou_matrix
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.scores import ScoreCalibration

SCORE_FLOOR = 0.02
"""Detections below this score of the networks are of no use at any threshold that someone would
choose."""
IOU = 0.5
MISPLACED_IOU = 0.2
"""A false positive that overlaps a face by this much found a face, and misplaced its box."""
SIZE_EDGES = (0, 16, 32, 64, 128)
"""Lower bounds of the size classes, in pixels: the square root of the area of the box."""
_BATCH = 8

OnDone = Callable[[int], None]
"""Called with the number of photos done since its last call."""


@dataclass(frozen=True)
class OperatingPoint:
    """What a detector does at one score threshold (keep at or above)."""

    score_threshold: float
    precision: float
    recall: float
    false_positives_per_image: float


@dataclass(frozen=True)
class SizeRecall:
    """Recall over the true faces from ``smallest`` up to, not with, ``largest`` pixels (None: no
    bound), at one false positive an image over all sizes."""

    smallest: int
    largest: int | None
    faces: int
    found: int


@dataclass(frozen=True)
class DetectorMetrics:
    """Measures of a detector at IoU 0.5; recalls and precisions in [0, 1].

    misplaced_at_0_1_fp_per_image: of the false positives that are allowed there, the share whose
        box overlaps a face by `MISPLACED_IOU` or more; None if there are none.
    at_threshold: at the detector's own score threshold; best_f1: where F1 is highest.
    landmark_error_median: mean distance of the five landmarks over the eye distance, its median
        over the ``landmark_faces`` that are found at one false positive an image and whose
        landmarks are all known; None if there is none.
    reliability: of the scores as probabilities, of the detections that score at least as at one
        false positive an image; None if there are none.
    """

    photos: int
    faces: int
    ignored_faces: int
    average_precision: float
    recall_at_100_fp: float
    recall_at_500_fp: float
    recall_at_1000_fp: float
    recall_at_1_fp_per_image: float
    recall_at_0_1_fp_per_image: float
    score_at_1_fp_per_image: float
    score_at_0_1_fp_per_image: float
    misplaced_at_0_1_fp_per_image: float | None
    at_threshold: OperatingPoint
    best_f1: OperatingPoint
    landmark_error_median: float | None
    landmark_faces: int
    reliability: Reliability | None
    by_size: tuple[SizeRecall, ...]


@dataclass(frozen=True, eq=False)
class DetectorRun:
    """Photos, what was found in them, and what it is worth.

    score_calibration: by which the scores came from those of the networks.
    """

    samples: Sequence[DetectionSample]
    truth: Sequence[ImageTruth]
    found: Sequence[ImageDetections]
    matched: MatchedDetections
    metrics: DetectorMetrics
    score_calibration: ScoreCalibration


def run_detector(
    detector: FaceDetector,
    samples: Sequence[DetectionSample],
    *,
    on_done: OnDone = lambda count: None,
) -> DetectorRun:
    """Detect in every photo, by the path that users take, and measure.

    Raises:
        ValueError: there are no photos.
        ImageError: a photo cannot be read.
    """
    if not samples:
        raise ValueError("a detector is measured on at least one photo")
    truth = [ImageTruth(s.boxes, s.landmarks, s.ignore) for s in samples]
    found: list[ImageDetections] = []
    calibration, uncalibrated = detector.score_calibration, detector.uncalibrated()
    for start in range(0, len(samples), _BATCH):
        photos = [sample.decode() for sample in samples[start : start + _BATCH]]
        for faces in uncalibrated.detect_batch(photos, score_threshold=SCORE_FLOOR):
            scores = calibration.probability(faces.scores)
            found.append(ImageDetections(faces.boxes, scores, faces.landmarks))
        on_done(len(photos))
    return _measured(samples, truth, found, calibration, detector.score_threshold)


def recalibrated(
    run: DetectorRun, calibration: ScoreCalibration, score_threshold: float
) -> DetectorRun:
    """The same run by a detector with another calibration of its scores, and another threshold."""
    found = [
        ImageDetections(
            faces.boxes,
            calibration.probability(run.score_calibration.scores(faces.scores)),
            faces.landmarks,
        )
        for faces in run.found
    ]
    return _measured(run.samples, run.truth, found, calibration, score_threshold)


def _measured(
    samples: Sequence[DetectionSample],
    truth: Sequence[ImageTruth],
    found: Sequence[ImageDetections],
    calibration: ScoreCalibration,
    score_threshold: float,
) -> DetectorRun:
    matched = match_detections(found, truth, iou_threshold=IOU)
    metrics = detector_metrics(matched, found, truth, score_threshold=score_threshold)
    return DetectorRun(samples, truth, found, matched, metrics, calibration)


def detector_metrics(
    matched: MatchedDetections,
    found: Sequence[ImageDetections],
    truth: Sequence[ImageTruth],
    *,
    score_threshold: float,
) -> DetectorMetrics:
    """All measures; ``score_threshold`` is the detector's own."""
    images = matched.image_count
    one_per_image = score_at_false_positives(matched, images)
    one_in_ten = score_at_false_positives(matched, images / 10)
    sure = matched.scores >= one_per_image
    landmarks_known = np.isfinite(matched.landmark_errors) & sure
    error = median_landmark_error(matched, min_score=one_per_image)
    return DetectorMetrics(
        photos=images,
        faces=matched.faces,
        ignored_faces=sum(int(faces.ignore.sum()) for faces in truth),
        average_precision=average_precision(matched),
        recall_at_100_fp=recall_at_false_positives(matched, 100),
        recall_at_500_fp=recall_at_false_positives(matched, 500),
        recall_at_1000_fp=recall_at_false_positives(matched, 1000),
        recall_at_1_fp_per_image=recall_at_false_positives(matched, images),
        recall_at_0_1_fp_per_image=recall_at_false_positives(matched, images / 10),
        score_at_1_fp_per_image=one_per_image,
        score_at_0_1_fp_per_image=one_in_ten,
        misplaced_at_0_1_fp_per_image=misplaced_share(found, truth, one_in_ten),
        at_threshold=operating_point(matched, score_threshold),
        best_f1=operating_point(matched, best_f1_score(matched)),
        landmark_error_median=error if np.isfinite(error) else None,
        landmark_faces=int(landmarks_known.sum()),
        reliability=reliability(matched.scores[sure], matched.hits[sure]) if sure.any() else None,
        by_size=recall_by_size(found, truth, one_per_image),
    )


def operating_point(matched: MatchedDetections, score_threshold: float) -> OperatingPoint:
    """Precision, recall and false positives at a threshold; precision is 1 where nothing is kept.

    >>> matched = MatchedDetections(np.float32([0.9, 0.8]), np.array([True, False]),
    ...     np.float32([0.1, np.nan]), np.array([0, 0]), faces=4, image_count=2)
    >>> operating_point(matched, 0.5)
    OperatingPoint(score_threshold=0.5, precision=0.5, recall=0.25, false_positives_per_image=0.5)
    """
    kept = matched.hits[matched.scores >= score_threshold]
    hits = int(kept.sum())
    return OperatingPoint(
        score_threshold=score_threshold,
        precision=hits / len(kept) if len(kept) else 1.0,
        recall=hits / max(1, matched.faces),
        false_positives_per_image=(len(kept) - hits) / max(1, matched.image_count),
    )


def misplaced_share(
    found: Sequence[ImageDetections], truth: Sequence[ImageTruth], score_threshold: float
) -> float | None:
    """The share of the false positives at a score threshold (keep at or above) that overlap a
    face: those that are none any more at an IoU of `MISPLACED_IOU`. None without any."""
    strict, loose = (
        int((~matched.hits[matched.scores >= score_threshold]).sum())
        for matched in (
            match_detections(found, truth, iou_threshold=iou) for iou in (IOU, MISPLACED_IOU)
        )
    )
    return (strict - loose) / strict if strict else None


def best_f1_score(matched: MatchedDetections) -> float:
    """The score threshold at which the harmonic mean of precision and recall is highest; 1 if
    nothing was found."""
    curve = pr_curve(matched)
    if not len(curve.scores):
        return 1.0
    total = curve.precision + curve.recall
    f1 = 2 * curve.precision * curve.recall / np.maximum(total, 1e-12)
    return float(curve.scores[int(f1.argmax())])


def box_sizes(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square roots of the areas of ``(n, 4)`` xyxy boxes, in pixels.

    >>> box_sizes(np.float32([[10, 10, 14, 19]]))
    array([6.], dtype=float32)
    """
    return np.asarray(np.sqrt(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)))


def recall_by_size(
    found: Sequence[ImageDetections], truth: Sequence[ImageTruth], score_threshold: float
) -> tuple[SizeRecall, ...]:
    """Faces and found faces of each size class, at a score threshold.

    Faces of the other classes are ignored, so that a detection of one of them counts nowhere.
    """
    kept = [
        ImageDetections(f.boxes[keep], f.scores[keep], f.landmarks[keep])
        for f, keep in ((f, f.scores >= score_threshold) for f in found)
    ]
    classes = []
    for smallest, largest in zip(SIZE_EDGES, (*SIZE_EDGES[1:], None), strict=True):
        inside = []
        for faces in truth:
            size = box_sizes(faces.boxes)
            other = (size < smallest) | (size >= (np.inf if largest is None else largest))
            inside.append(ImageTruth(faces.boxes, faces.landmarks, faces.ignore | other))
        matched = match_detections(kept, inside, iou_threshold=IOU)
        classes.append(SizeRecall(smallest, largest, matched.faces, int(matched.hits.sum())))
    return tuple(classes)


@dataclass(frozen=True)
class BadCase:
    """A face to look at: the photo, a box xyxy px, and what is wrong with it."""

    photo: int
    box: tuple[float, float, float, float]
    score: float | None
    what: str


def worst_cases(run: DetectorRun, count: int) -> tuple[list[BadCase], list[BadCase]]:
    """The false positives with the highest scores, and the largest faces that are missed at one
    false positive an image: up to ``count`` each."""
    false: list[BadCase] = []
    missed: list[tuple[float, BadCase]] = []
    threshold = run.metrics.score_at_1_fp_per_image
    for photo, (found, faces) in enumerate(zip(run.found, run.truth, strict=True)):
        overlap = iou_matrix(found.boxes, faces.boxes)
        nearest = overlap.max(axis=1, initial=0.0)
        for row in np.flatnonzero(nearest < IOU):
            case = BadCase(photo, _box(found.boxes[row]), float(found.scores[row]), "false")
            false.append(case)
        covered = overlap[found.scores >= threshold].max(axis=0, initial=0.0) >= IOU
        sizes = box_sizes(faces.boxes)
        for row in np.flatnonzero(~covered & ~faces.ignore):
            case = BadCase(photo, _box(faces.boxes[row]), None, "missed")
            missed.append((float(sizes[row]), case))
    false.sort(key=lambda case: -(case.score or 0.0))
    missed.sort(key=lambda item: -item[0])
    return false[:count], [case for _, case in missed[:count]]


def worst_landmarks(run: DetectorRun, count: int) -> list[tuple[int, NDArray[np.float32], float]]:
    """Photo, (5, 2) predicted landmarks and error of the faces whose landmarks are furthest off,
    among those that are found at one false positive an image: up to ``count``."""
    threshold = run.metrics.score_at_1_fp_per_image
    errors = []
    for photo, (found, faces) in enumerate(zip(run.found, run.truth, strict=True)):
        overlap = iou_matrix(found.boxes, faces.boxes)
        overlap[found.scores < threshold] = 0.0
        for face in np.flatnonzero((overlap.max(axis=0, initial=0.0) >= IOU) & ~faces.ignore):
            landmarks = found.landmarks[overlap[:, face].argmax()]
            error = landmark_error(landmarks, faces.landmarks[face])
            if np.isfinite(error):
                errors.append((photo, landmarks, error))
    return sorted(errors, key=lambda item: -item[2])[:count]


def _box(row: NDArray[np.float32]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in row)
    return x1, y1, x2, y2
