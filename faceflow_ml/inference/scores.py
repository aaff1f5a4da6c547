"""What a detector's scores are worth: probabilities by Platt scaling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faceflow_ml.inference.types import FloatArray

_CERTAIN = 1e-6  # scores nearer to 0 or 1 than this are taken for as near
_SURELY = 1e-12  # likewise probabilities, which a steep curve takes further
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ScoreCalibration:
    """A logistic curve over the log-odds of scores (Platt, 1999), which keeps their order.

    slope: above 1 where the networks are less sure than they might be. shift: in log-odds.
    The default changes nothing.
    """

    slope: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.slope) and self.slope > 0 and np.isfinite(self.shift)):
            raise ValueError(
                f"expected a score_slope above 0 and a finite score_shift, got {self.slope} and "
                f"{self.shift}"
            )

    @classmethod
    def of_calibration(cls, calibration: Mapping[str, float]) -> ScoreCalibration:
        """The one in a manifest's numbers; the default where it was written without one.

        Raises:
            ValueError: the curve does not rise.
        """
        return cls(calibration.get("score_slope", 1.0), calibration.get("score_shift", 0.0))

    def probability(self, scores: npt.ArrayLike) -> FloatArray:
        """The probabilities, float32 in [0, 1], of scores in [0, 1] of any shape.

        >>> ScoreCalibration(slope=2.0).probability([0.25, 0.5, 0.75]).round(3).tolist()
        [0.10000000149011612, 0.5, 0.8999999761581421]
        """
        if self == _UNCHANGED:
            return np.asarray(scores, np.float32)
        return _logistic(self.slope * log_odds(scores) + self.shift).astype(np.float32)

    def scores(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The scores that have these probabilities; the inverse of `probability`."""
        if self == _UNCHANGED:
            return np.asarray(probabilities, np.float64)
        return _logistic((log_odds(probabilities, _SURELY) - self.shift) / self.slope)

    def least_score(self, probability: float) -> float:
        """A score that none falls below that has this probability, rounding included."""
        if self == _UNCHANGED:
            return probability
        if probability <= _SURELY:
            return 0.0
        return max(0.0, float(self.scores(probability)) - _ROUNDING)


_UNCHANGED = ScoreCalibration()


def log_odds(scores: npt.ArrayLike, margin: float = _CERTAIN) -> npt.NDArray[np.float64]:
    """The logarithms of the odds of scores in [0, 1], which are kept ``margin`` away from both."""
    kept = np.clip(np.asarray(scores, np.float64), margin, 1 - margin)
    return np.asarray(np.log(kept / (1 - kept)))


def _logistic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x)))
