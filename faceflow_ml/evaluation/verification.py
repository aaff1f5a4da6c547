"""Face verification: are two faces the same person? Metrics on scores of pairs.

Scores are similarities (higher is more alike), ``same`` is the truth, both ``(n,)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.errors import FaceFlowError

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its 95% confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RocCurve:
    """Rates at falling thresholds; all arrays ``(n,)`` in [0, 1] but the thresholds."""

    thresholds: NDArray[np.float64]
    false_accept: NDArray[np.float64]
    true_accept: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Area under the curve, in [0, 1]."""
        return float(np.trapezoid(self.true_accept, self.false_accept))


def _check(scores: FloatArray, same: BoolArray) -> None:
    if scores.ndim != 1 or scores.shape != same.shape or same.dtype != np.bool_:
        raise ValueError(
            f"expected scores (n,) and same (n,) bool, got {scores.shape} and "
            f"{same.shape} {same.dtype}"
        )
    if not same.any() or same.all():
        raise ValueError("verification needs pairs of the same person and of different people")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")


def all_pair_scores(
    vectors: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], BoolArray]:
    """Cosine similarity of every pair of L2-normalised ``(n, d)`` vectors, and whether one person.

    Returns:
        ``n (n - 1) / 2`` scores and truths.
    """
    upper = np.triu_indices(len(vectors), 1)
    return (vectors @ vectors.T)[upper], labels[upper[0]] == labels[upper[1]]


def roc_curve(scores: FloatArray, same: BoolArray) -> RocCurve:
    """Receiver operating characteristic.

    >>> curve = roc_curve(np.array([0.9, 0.8, 0.3, 0.1]), np.array([True, True, False, False]))
    >>> curve.auc
    1.0
    """
    _check(scores, same)
    order = np.argsort(-scores, kind="stable")
    sorted_scores, sorted_same = scores[order], same[order]
    # One point for each distinct score: a threshold cannot part equal ones.
    last = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    true_accept = np.cumsum(sorted_same)[last] / same.sum()
    false_accept = np.cumsum(~sorted_same)[last] / (~same).sum()
    return RocCurve(
        np.concatenate([[np.inf], sorted_scores[last].astype(np.float64)]),
        np.concatenate([[0.0], false_accept]),
        np.concatenate([[0.0], true_accept]),
    )


def best_threshold(scores: FloatArray, same: BoolArray) -> float:
    """The threshold (accept at or above) with the best balanced accuracy."""
    curve = roc_curve(scores, same)
    best = int(np.argmax(curve.true_accept - curve.false_accept))
    if best + 1 < len(curve.thresholds) and best > 0:
        # Halfway to the next score, so that unseen pairs near it are not favoured either way.
        return float((curve.thresholds[best] + curve.thresholds[best + 1]) / 2)
    return float(curve.thresholds[max(best, 1)])


def best_accuracy(scores: FloatArray, same: BoolArray) -> float:
    """Balanced accuracy at the best threshold of these same pairs: optimistic, for monitoring."""
    curve = roc_curve(scores, same)
    return float(np.max(1 + curve.true_accept - curve.false_accept) / 2)


def check_folds(genuine: int, impostor: int, folds: int) -> None:
    """See that every fold can have pairs of both kinds.

    Raises:
        FaceFlowError: there are too few.
    """
    if min(genuine, impostor) < folds:
        raise FaceFlowError(
            f"{folds}-fold accuracy needs {folds} pairs of one person and {folds} of two people at "
            f"least, got {genuine} and {impostor}"
        )


def check_people(labels: Sequence[Hashable]) -> None:
    """See that there are pairs of one person and of two.

    labels: who each face is.

    Raises:
        FaceFlowError: only one person, or nobody with two faces.
    """
    people = Counter(labels)
    if len(people) < 2 or max(people.values()) < 2:
        raise FaceFlowError(
            "verification needs two people at least, one of them with two faces, got "
            f"{people.total()} faces of {len(people)} people"
        )


def kfold_accuracy(scores: FloatArray, same: BoolArray, folds: int = 10) -> Interval:
    """LFW's protocol: in each fold, accuracy at the best threshold of the other folds.

    Pairs are dealt to folds in order, the two kinds apart, so that folds are balanced.

    Returns:
        The mean over folds; the interval is of the mean (1.96 standard errors).

    Raises:
        FaceFlowError: there are fewer pairs of a kind than folds.
    """
    check_folds(int(same.sum()), int((~same).sum()), folds)
    _check(scores, same)
    fold = np.empty(len(scores), np.int64)
    for kind in (True, False):
        members = np.flatnonzero(same == kind)
        fold[members] = np.arange(len(members)) * folds // max(1, len(members))
    accuracies = []
    for k in range(folds):
        test = fold == k
        threshold = best_threshold(scores[~test], same[~test])
        accuracies.append(float(np.mean((scores[test] >= threshold) == same[test])))
    mean = float(np.mean(accuracies))
    error = 1.96 * float(np.std(accuracies, ddof=1)) / np.sqrt(folds)
    return Interval(mean, mean - error, min(1.0, mean + error))


def tar_at_far(scores: FloatArray, same: BoolArray, far: float) -> float:
    """True accept rate at the lowest threshold whose false accept rate is at most ``far``.

    >>> tar_at_far(np.array([0.9, 0.2, 0.3, 0.1]), np.array([True, True, False, False]), 0.1)
    0.5
    """
    curve = roc_curve(scores, same)
    return float(curve.true_accept[curve.false_accept <= far].max())


def threshold_at_far(scores: FloatArray, same: BoolArray, far: float) -> float:
    """The lowest threshold (accept at or above) whose false accept rate is at most ``far``."""
    curve = roc_curve(scores, same)
    return float(curve.thresholds[np.flatnonzero(curve.false_accept <= far)[-1]])


def tar_at_far_interval(
    scores: FloatArray, same: BoolArray, far: float, *, samples: int = 1000, seed: int = 0
) -> Interval:
    """`tar_at_far` with a 95% bootstrap interval over pairs, the two kinds resampled apart."""
    _check(scores, same)
    rng = np.random.default_rng(seed)
    genuine, impostor = scores[same], np.sort(scores[~same])
    values = []
    allowed = int(far * len(impostor))
    for _ in range(samples):
        drawn = np.sort(rng.choice(impostor, len(impostor)))
        # Accepting strictly above the next impostor admits at most the allowed number.
        limit = drawn[len(drawn) - allowed - 1]
        values.append(np.mean(rng.choice(genuine, len(genuine)) > limit))
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(tar_at_far(scores, same, far), float(low), float(high))
