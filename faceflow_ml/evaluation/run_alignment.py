"""Measure an aligner: on aligned faces whose landmarks are put wrong by known amounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.records import IdentitySample
from faceflow_ml.inference.aligner import FaceAligner
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE, estimate_similarity

_BORDER = 56
"""Pixels around a face, mirrored, since a photo goes on there."""
# Standard deviations, about as far off as a detector's landmarks put a face. Fixed here, whatever
# training draws (`data.face_views`), so that aligners of different trainings can be compared.
_LOG_SCALE, _DEGREES, _SHIFT = 0.06, 5.0, 3.0
_LIMIT = 2.5  # standard deviations
_BATCH = 64

OnDone = Callable[[int], None]
"""Called with the number of faces done since its last call."""


@dataclass(frozen=True)
class Spread:
    """Mean distance of the five points of a face from the template, in pixels of a 112x112 crop,
    over faces."""

    mean: float
    median: float
    p95: float


@dataclass(frozen=True)
class AlignmentMetrics:
    """How far from their places faces are, with disturbed landmarks and with corrected ones.

    after: no aligner reaches 0: how the faces were aligned before has errors of its own.
    """

    faces: int
    before: Spread
    after: Spread


def run_alignment(
    aligner: FaceAligner,
    samples: Sequence[IdentitySample],
    *,
    seed: int = 0,
    on_done: OnDone = lambda _: None,
) -> AlignmentMetrics:
    """Disturb the landmarks of aligned faces (112x112), each by a similarity transform drawn from
    the seed, and have them corrected.

    Raises:
        ValueError: there is no face.
    """
    if not samples:
        raise ValueError("no face to measure with")
    rng = np.random.default_rng(seed)
    before, after = [], []
    for start in range(0, len(samples), _BATCH):
        part = samples[start : start + _BATCH]
        photos = [_surrounded(sample.decode()) for sample in part]
        disturbed = [_disturb(rng)[None] for _ in part]
        corrected = aligner.correct_batch(photos, disturbed)
        before += [_error(points[0]) for points in disturbed]
        after += [_error(points[0].astype(np.float64)) for points in corrected]
        on_done(len(part))
    return AlignmentMetrics(len(samples), _spread(before), _spread(after))


def _surrounded(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    border = (_BORDER,) * 4
    return np.asarray(cv2.copyMakeBorder(face, *border, cv2.BORDER_REFLECT_101), np.uint8)


def _disturb(rng: np.random.Generator) -> NDArray[np.float64]:
    """The template's points in the middle of a surrounded face, moved together: (5, 2)."""
    scale, angle, x, y = np.clip(rng.standard_normal(4), -_LIMIT, _LIMIT)
    turn = np.deg2rad(angle * _DEGREES)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear *= np.exp(scale * _LOG_SCALE)
    centre = ARCFACE_TEMPLATE.mean(axis=0)
    moved = (ARCFACE_TEMPLATE - centre) @ linear.T + centre + _SHIFT * np.array([x, y])
    return np.asarray(moved + _BORDER)


def _error(points: NDArray[np.float64]) -> float:
    """Mean distance in pixels from the template of a face's true points, once these landmarks have
    put it there."""
    matrix = estimate_similarity(points, ARCFACE_TEMPLATE)
    put = (ARCFACE_TEMPLATE + _BORDER) @ matrix[:, :2].T + matrix[:, 2]
    return float(np.linalg.norm(put - ARCFACE_TEMPLATE, axis=1).mean())


def _spread(errors: Sequence[float]) -> Spread:
    return Spread(
        float(np.mean(errors)), float(np.median(errors)), float(np.percentile(errors, 95))
    )
