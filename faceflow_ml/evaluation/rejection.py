"""Does the quality of faces predict errors? Errors against the share of pairs that is rejected.

P. Grother and E. Tabassi, "Performance of Biometric Quality Measures", IEEE TPAMI 29(4), 2007;
ISO/IEC 29794-1 calls it the error versus discard characteristic (EDC).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.evaluation.verification import BoolArray, FloatArray, threshold_at_far

SHARES = tuple(percent / 100 for percent in range(51))
PARTIAL = 0.2
"""The share rejected up to which `RejectCurve.saving` looks: nobody rejects most faces."""
_STEPS = 200


@dataclass(frozen=True)
class RejectCurve:
    """Errors among the genuine pairs that stay when those of the lowest quality are rejected.

    shares: of the genuine pairs that are rejected, each in [0, 1).
    errors: false non-match rate of those that stay, one a share.
    ideal: the same of a quality that knows the errors, max(0, (f - r) / (1 - r)) with the false
        non-match rate f of all and the share r.
    threshold: similarity, accept at or above, at the false accept rate ``far`` over all pairs; it
        does not move with the share. inf if no similarity is as rarely reached by impostors.
    saving: the area between no rejection and ``errors`` over that between no rejection and
        ``ideal``, up to `PARTIAL` rejected: 1 is ideal, 0 is chance, below 0 is worse than chance.
        None where rejecting saves nothing, as no pair or every pair is an error.
    """

    shares: tuple[float, ...]
    errors: tuple[float, ...]
    ideal: tuple[float, ...]
    genuine_pairs: int
    impostor_pairs: int
    threshold: float
    far: float
    saving: float | None


def all_pair_quality(quality: FloatArray) -> FloatArray:
    """The quality of every pair of ``(n,)`` faces, in the order of `all_pair_scores`: that of the
    poorer face.

    >>> all_pair_quality(np.array([0.9, 0.2, 0.5]))
    array([0.2, 0.5, 0.2])
    """
    first, second = np.triu_indices(len(quality), 1)
    return np.minimum(quality[first], quality[second])


def error_versus_reject(
    scores: FloatArray,
    same: BoolArray,
    quality: FloatArray,
    far: float,
    shares: Sequence[float] = SHARES,
) -> RejectCurve:
    """Reject the genuine pairs of the lowest quality first, and count the errors among the rest.

    Pairs of equal quality are rejected in no order: errors are spread evenly over them, so that a
    quality that is the same for all is a flat curve. A share that is no whole number of pairs
    rejects a part of one.

    Args:
        scores, same: (n,) similarities, and whether they are of one person.
        quality: (n,) of the pairs, see `all_pair_quality`.
        far: false accept rate over all pairs, in [0, 1], that gives the threshold.
        shares: to be rejected, each in [0, 1).

    Raises:
        ValueError: arguments are not as above, or the pairs are all of one kind.

    >>> scores = np.array([0.9, 0.2, 0.8, 0.7, 0.1, 0.3])
    >>> same = np.array([True, True, True, True, False, False])
    >>> quality = np.array([0.8, 0.4, 0.1, 0.9, 0.5, 0.5])
    >>> error_versus_reject(scores, same, quality, 0.0, (0.0, 0.25, 0.5)).errors
    (0.25, 0.3333333333333333, 0.0)
    """
    if not 0 <= far <= 1:
        raise ValueError(f"expected a false accept rate in [0, 1], got {far}")
    if not all(0 <= share < 1 for share in shares):
        raise ValueError(f"expected shares in [0, 1), got {tuple(shares)}")
    threshold = threshold_at_far(scores, same, far)
    if quality.shape != scores.shape or not np.isfinite(quality).all():
        raise ValueError(
            f"expected finite quality (n,), one a score, got {quality.shape} for {scores.shape}"
        )
    wrong = scores[same] < threshold
    levels, level = np.unique(quality[same], return_inverse=True)
    rejected = np.concatenate([[0], np.cumsum(np.bincount(level))])
    caught = np.concatenate([[0], np.cumsum(np.bincount(level, wrong, len(levels)))])
    pairs, rate = len(wrong), float(wrong.mean())

    def left(share: NDArray[np.float64]) -> NDArray[np.float64]:
        missed = caught[-1] - np.interp(share * pairs, rejected, caught)
        return np.asarray(missed / (pairs * (1 - share)))

    def best(share: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(0, (rate - share) / (1 - share)))

    steps = np.linspace(0, PARTIAL, _STEPS + 1)
    possible = float(np.trapezoid(rate - best(steps), steps))
    saved = float(np.trapezoid(rate - left(steps), steps))
    wanted = np.asarray(shares, np.float64)
    return RejectCurve(
        shares=tuple(wanted.tolist()),
        errors=tuple(left(wanted).tolist()),
        ideal=tuple(best(wanted).tolist()),
        genuine_pairs=pairs,
        impostor_pairs=len(scores) - pairs,
        threshold=threshold,
        far=far,
        saving=saved / possible if possible > 0 else None,
    )
