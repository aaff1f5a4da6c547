"""Where the models fail on real photos: recall and true accepts by source, pose and resolution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.records import IdentitySample
from faceflow_ml.evaluation.detection import (
    ImageDetections,
    ImageTruth,
    match_detections,
)
from faceflow_ml.evaluation.run_detection import IOU, DetectorRun, box_sizes
from faceflow_ml.evaluation.run_verification import IdentityRun

SIZES = (0, 16, 24, 32, 64, 128)
EYES = (0, 20, 30, 45, 70)
TURNS = (0.0, 0.12, 0.3)
"""Lower bounds of how far the nose is off the middle of the face, in eye distances: frontal,
turned, near profile."""
TILTS = (0, 10, 25)
"""Lower bounds of the angle of the eyes with the horizontal, in degrees."""


@dataclass(frozen=True)
class DetectionStratum:
    """Faces of one kind, and how many are found at the detector's own threshold.

    false_positives: an image; None where the kind is of faces, not of photos.
    """

    kind: str
    name: str
    faces: int
    found: int
    false_positives: float | None


@dataclass(frozen=True)
class VerificationStratum:
    """Pairs of faces of one kind at one threshold for all: the share of pairs of one person that
    is accepted, and of pairs of two. None where there are no such pairs."""

    kind: str
    name: str
    genuine_pairs: int
    impostor_pairs: int
    true_accepts: float | None
    false_accepts: float | None


def detection_strata(run: DetectorRun) -> tuple[DetectionStratum, ...]:
    """Recall by source, size and pose; faces to be ignored are left out everywhere."""
    threshold = run.metrics.at_threshold.score_threshold
    found = [
        ImageDetections(f.boxes[keep], f.scores[keep], f.landmarks[keep])
        for f, keep in ((f, f.scores >= threshold) for f in run.found)
    ]
    strata = []
    sources = np.array([sample.name.partition("/")[0] for sample in run.samples])
    for source in sorted(set(sources.tolist())):
        chosen = np.flatnonzero(sources == source).tolist()
        matched = match_detections(
            [found[i] for i in chosen], [run.truth[i] for i in chosen], iou_threshold=IOU
        )
        hits = int(matched.hits.sum())
        false = (len(matched.hits) - hits) / len(chosen)
        strata.append(DetectionStratum("source", source, matched.faces, hits, false))
    for kind, bounds, unit, measure in (
        ("size of the face", SIZES, "px", lambda faces: box_sizes(faces.boxes)),
        ("turn of the head", TURNS, "eye distances", lambda faces: turns(faces.landmarks)),
        ("tilt of the head", TILTS, "degrees", lambda faces: tilts(faces.landmarks)),
    ):
        values = [measure(faces) for faces in run.truth]
        for low, high in _ranges(bounds):
            inside = [(v >= low) & (v < high) for v in values]
            faces, hits = _recall(found, run.truth, inside)
            strata.append(DetectionStratum(kind, _range(low, high, unit), faces, hits, None))
    return tuple(strata)


def verification_strata(
    run: IdentityRun, samples: Sequence[IdentitySample]
) -> tuple[VerificationStratum, ...]:
    """True and false accepts of aligned faces by source and by eye distance in the photo.

    A pair is of the resolution of its poorer face. The threshold is that of a false accept rate of
    1e-3 over all pairs.
    """
    first, second = np.triu_indices(len(run.labels), 1)
    scores = (run.vectors @ run.vectors.T)[first, second]
    same = run.labels[first] == run.labels[second]
    accepted = scores >= run.metrics.threshold_at_far_1e_3
    eyes = np.array([sample.eye_px for sample in samples])
    poorer = np.minimum(eyes[first], eyes[second])  # NaN where one is unknown
    sources = np.array([sample.source for sample in samples])
    strata = []
    for low, high in _ranges(EYES):
        pairs = (poorer >= low) & (poorer < high)
        name = _range(low, high, "px")
        strata.append(_verified("eye distance of the poorer face", name, pairs, same, accepted))
    for source in sorted(set(sources.tolist())):
        pairs = (sources[first] == source) & (sources[second] == source)
        strata.append(_verified("source", source, pairs, same, accepted))
    return tuple(strata)


def turns(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) how far the nose is off the line between eyes and mouth, in eye distances; NaN where a
    landmark is unknown.

    >>> frontal = np.float32([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]])
    >>> turns(np.stack([frontal, frontal + np.float32([[0, 0], [0, 0], [10, 0], [0, 0], [0, 0]])]))
    array([0.  , 0.25])
    """
    points = landmarks.astype(np.float64)
    across = points[:, 1] - points[:, 0]
    width = np.maximum(np.linalg.norm(across, axis=1), 1e-6)
    middle = (points[:, :2].mean(axis=1) + points[:, 3:].mean(axis=1)) / 2
    offset = np.einsum("ij,ij->i", points[:, 2] - middle, across / width[:, None])
    return np.asarray(np.abs(offset) / width)


def tilts(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) degrees, in [0, 180], between the eyes' line and the horizontal; NaN if unknown."""
    across = (landmarks[:, 1] - landmarks[:, 0]).astype(np.float64)
    return np.asarray(np.abs(np.degrees(np.arctan2(across[:, 1], across[:, 0]))))


def _recall(
    found: Sequence[ImageDetections],
    truth: Sequence[ImageTruth],
    inside: Sequence[NDArray[np.bool_]],
) -> tuple[int, int]:
    """Faces inside, and how many of them are found; the others are ignored."""
    chosen = [
        ImageTruth(faces.boxes, faces.landmarks, faces.ignore | ~mask)
        for faces, mask in zip(truth, inside, strict=True)
    ]
    matched = match_detections(found, chosen, iou_threshold=IOU)
    return matched.faces, int(matched.hits.sum())


def _verified(
    kind: str,
    name: str,
    pairs: NDArray[np.bool_],
    same: NDArray[np.bool_],
    accepted: NDArray[np.bool_],
) -> VerificationStratum:
    genuine, impostor = accepted[pairs & same], accepted[pairs & ~same]
    return VerificationStratum(
        kind=kind,
        name=name,
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
        true_accepts=float(genuine.mean()) if len(genuine) else None,
        false_accepts=float(impostor.mean()) if len(impostor) else None,
    )


def _ranges(bounds: Sequence[float]) -> Iterable[tuple[float, float]]:
    return zip(bounds, (*bounds[1:], np.inf), strict=True)


def _range(low: float, high: float, unit: str) -> str:
    return f"{low:g} and more {unit}" if np.isinf(high) else f"{low:g} to {high:g} {unit}"
