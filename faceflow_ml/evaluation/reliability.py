"""How far probabilities keep their word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions in one tenth of [0, 1]: how many, their mean, and the share that came true."""

    count: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Reliability:
    """How far probabilities keep their word.

    calibration_error: mean distance of predicted and observed, over predictions (ECE).
    brier: mean squared error; base_rate: the share that came true at all.
    """

    bins: tuple[ReliabilityBin, ...]
    calibration_error: float
    brier: float
    base_rate: float


def reliability(predicted: NDArray[np.floating], outcome: NDArray[np.bool_]) -> Reliability:
    """Compare (m,) probabilities with what came true, in `BINS` equal parts of [0, 1].

    Raises:
        ValueError: there is nothing to compare.
    """
    if len(predicted) == 0:
        raise ValueError("reliability needs at least one prediction")
    place = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    bins, error = [], 0.0
    for k in np.unique(place).tolist():
        here = place == k
        mean, share = float(predicted[here].mean()), float(outcome[here].mean())
        bins.append(ReliabilityBin(int(here.sum()), mean, share))
        error += abs(mean - share) * float(here.mean())
    brier = float(np.mean((predicted - outcome) ** 2))
    return Reliability(tuple(bins), error, brier, float(outcome.mean()))
