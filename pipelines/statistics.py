"""Is a challenger worse than the champion? Paired tests on the same data, as pure functions.

Both models answer the same photos or the same pairs of faces, so that what makes a photo hard is
hard for both and drops out of the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.evaluation.detection import MatchedDetections, average_precision

CONFIDENCE = 0.95
"""Of the bounds, one-sided: a challenger as good as allowed is refused one time in twenty."""


@dataclass(frozen=True)
class Difference:
    """Challenger minus champion.

    value: of the metric on all data; low, high: one-sided 95% bounds of it (both: 90%).
    """

    value: float
    low: float
    high: float

    @property
    def loss(self) -> float:
        """How much worse the challenger may plausibly be, in [0, 1]; 1 where that is unknown."""
        return 1.0 if not np.isfinite(self.low) else float(np.clip(-self.low, 0.0, 1.0))


def paired_difference(
    value: float, challenger: NDArray[np.float64], champion: NDArray[np.float64]
) -> Difference:
    """Bounds of a difference from metrics in the same bootstrap samples, ``(samples,)`` each.

    Args:
        value: the difference on all data.
        challenger: its metric in each sample; NaN where it is not defined.
        champion: its metric in the same samples.

    Raises:
        ValueError: the two are not of one length, or empty.

    >>> paired_difference(0.1, np.array([0.5, 0.7]), np.array([0.4, 0.6])).loss
    0.0
    """
    if challenger.shape != champion.shape or challenger.ndim != 1 or not len(challenger):
        raise ValueError(
            f"expected two equally long arrays, got {challenger.shape} and {champion.shape}"
        )
    differences = challenger - champion
    differences = differences[np.isfinite(differences)]
    # Undefined here and there is the data's doing; undefined mostly is no ground for a bound.
    if not np.isfinite(value) or 2 * len(differences) < len(challenger):
        return Difference(value, float("nan"), float("nan"))
    low, high = np.quantile(differences, [1 - CONFIDENCE, CONFIDENCE])
    return Difference(float(value), float(low), float(high))


def average_precision_over_resampled_images(
    matched: MatchedDetections, faces: NDArray[np.int64], *, samples: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """Average precision in each of ``samples`` bootstrap samples of the images, ``(samples,)``.

    Equal seeds draw equal images, whatever was detected in them. NaN where no image that was drawn
    has a face.

    Args:
        matched: detections of ``(n,)`` images, matched with their faces.
        faces: ``(n,)`` faces that count in each image.

    Raises:
        ValueError: ``faces`` is not one number an image, or does not sum up to the faces matched.
    """
    images = matched.image_count
    if faces.shape != (images,) or faces.sum() != matched.faces:
        raise ValueError(
            f"expected faces ({images},) that sum up to {matched.faces}, "
            f"got {faces.shape} with {faces.sum()}"
        )
    rng = np.random.default_rng(seed)
    values = np.empty(samples)
    for sample in range(samples):
        drawn = np.bincount(rng.integers(images, size=images), minlength=images)
        values[sample] = _weighted_average_precision(matched, drawn, int((drawn * faces).sum()))
    return values


def _weighted_average_precision(
    matched: MatchedDetections, drawn: NDArray[np.int64], faces: int
) -> float:
    """Average precision where each detection counts as often as its image was drawn."""
    if not faces:
        return float("nan")
    copies = np.repeat(np.arange(len(matched.scores)), drawn[matched.images])
    sample = MatchedDetections(
        matched.scores[copies],
        matched.hits[copies],
        matched.landmark_errors[copies],
        matched.images[copies],
        faces,
        matched.image_count,
    )
    return average_precision(sample)


def mcnemar(challenger: NDArray[np.bool_], champion: NDArray[np.bool_]) -> float:
    """Exact McNemar test: p-value of "both are right equally often", two-sided, in [0, 1].

    Args:
        challenger: ``(n,)`` whether it was right.
        champion: ``(n,)`` whether the other was, on the same cases.

    Raises:
        ValueError: the two are not of one length.

    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 1947.

    >>> right, wrong = np.ones(6, bool), np.zeros(6, bool)
    >>> mcnemar(right, wrong)
    0.03125
    >>> mcnemar(right, right)
    1.0
    """
    from scipy.stats import binomtest

    if challenger.shape != champion.shape or challenger.ndim != 1:
        raise ValueError(
            f"expected two equally long arrays, got {challenger.shape} and {champion.shape}"
        )
    only_challenger = int((challenger & ~champion).sum())
    only_champion = int((champion & ~challenger).sum())
    if not only_challenger + only_champion:
        return 1.0
    return float(binomtest(only_challenger, only_challenger + only_champion).pvalue)
