"""The numbers a model needs to be used: thresholds and ranges, from validation data.

Calibrate on validation splits of the training data only; data that measures the product (LFW,
albums) would then measure how well it was fitted.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.batch import cluster_faces
from faceflow_ml.clustering.confidence import ConfidenceModel
from faceflow_ml.evaluation.clustering import bcubed
from faceflow_ml.evaluation.detection import score_at_false_positives
from faceflow_ml.evaluation.grouping_confidence import fit_confidence, group_piles
from faceflow_ml.evaluation.logistic import fit_logistic
from faceflow_ml.evaluation.piles import draw_piles
from faceflow_ml.evaluation.run_detection import DetectorRun
from faceflow_ml.evaluation.verification import all_pair_scores, threshold_at_far
from faceflow_ml.inference.scores import ScoreCalibration, log_odds

FALSE_POSITIVES_PER_IMAGE = 0.1
"""One false face in ten photos: recall is still close to its most, and a false face rarely finds
another one to make a group with."""

STEEPEST = 4.0
"""Slope up to which scores become probabilities: float32 would not keep the order of those near 1
under a steeper one, which only few detections would ask for."""

PILES = 18
"""Piles that thresholds are tried on."""
CONFIDENCE_PILES = 60
"""Piles that the confidence of groups is fitted on."""
FAR_RANGE = (1e-1, 1e-4)
TRIALS = 13
"""Thresholds are tried in equal steps between those of the two false accept rates."""
TOLERANCE = 0.005
"""Thresholds whose BCubed F is this close to the best are as good: the middle one is taken."""


@dataclass(frozen=True)
class DetectorCalibration:
    """How to read a detector's scores.

    score_threshold: detections at or above it are faces, in [0, 1].
    score_slope, score_shift: of the `ScoreCalibration` by which scores are probabilities.
    """

    score_threshold: float
    score_slope: float
    score_shift: float

    @property
    def scores(self) -> ScoreCalibration:
        """The curve from the networks' scores to probabilities."""
        return ScoreCalibration(self.score_slope, self.score_shift)


@dataclass(frozen=True)
class EmbedderCalibration:
    """How to read an embedder's vectors and norms.

    match_threshold: cosine similarity for `faceflow_ml.clustering.cluster_faces`.
    norm_low, norm_high: 1st and 99th percentile of the norms.
    confidence: how sure groups at this threshold are.
    """

    match_threshold: float
    norm_low: float
    norm_high: float
    confidence: ConfidenceModel

    def numbers(self) -> dict[str, float]:
        """All of it as the manifest keeps it: numbers by key."""
        return {
            "match_threshold": self.match_threshold,
            "norm_low": self.norm_low,
            "norm_high": self.norm_high,
            **asdict(self.confidence),
        }


@dataclass(frozen=True)
class ThresholdTrial:
    """A threshold, its false accept rate over all pairs, and the mean BCubed F of the piles."""

    far: float
    threshold: float
    bcubed_f1: float


def calibrate_detector(run: DetectorRun) -> DetectorCalibration:
    """Calibrate on the detection validation split.

    Platt scaling: the curve under which it is most likely that just these detections matched a
    face, at an IoU of `IOU`. The score threshold is at `FALSE_POSITIVES_PER_IMAGE`.
    """
    matched = run.matched
    found = run.score_calibration.scores(matched.scores)
    features = np.column_stack([log_odds(found), np.ones(len(found))])
    slope, shift = fit_logistic(features, matched.hits).round(4).tolist()
    # Else there are too few detections to tell, or the surer ones are the false ones.
    curve = ScoreCalibration(slope, shift) if 0 < slope <= STEEPEST else ScoreCalibration()
    one_in_ten = score_at_false_positives(matched, FALSE_POSITIVES_PER_IMAGE * matched.image_count)
    threshold = float(curve.probability(run.score_calibration.scores(one_in_ten)))
    # Rounded down: the detection that has this very score is to be kept.
    return DetectorCalibration(math.floor(threshold * 1e4) / 1e4, curve.slope, curve.shift)


def calibrate_embedder(
    vectors: NDArray[np.float32],
    norms: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    seed: int = 0,
) -> tuple[EmbedderCalibration, tuple[ThresholdTrial, ...]]:
    """Calibrate on aligned faces of people that are in no training split.

    Piles are grouped at thresholds across `FAR_RANGE`; the middle of the best ones is taken. The
    confidence is fitted on the groups that it makes in other piles.

    Args:
        vectors: (n, d) L2-normalised.
        norms: (n,) lengths before normalisation.
        labels: (n,) who each face is.
        seed: of the piles.

    Returns:
        The calibration, and all trials by rising threshold.

    Raises:
        ValueError: there are no two faces of one person, or only one person.
    """
    trials = try_thresholds(vectors, labels, seed=seed)
    best = max(trial.bcubed_f1 for trial in trials)
    good = [trial.threshold for trial in trials if trial.bcubed_f1 >= best - TOLERANCE]
    threshold = round(float(np.median(good)), 4)
    low, high = (float(value) for value in np.percentile(norms, [1, 99]))
    # Other piles than those that the threshold suits best.
    piles = draw_piles(labels, CONFIDENCE_PILES, seed=seed + 1)
    confidence = fit_confidence(group_piles(vectors, labels, piles, threshold))
    return EmbedderCalibration(threshold, round(low, 4), round(high, 4), confidence), trials


def try_thresholds(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], *, seed: int = 0
) -> tuple[ThresholdTrial, ...]:
    """Mean BCubed F of the same random piles at each threshold, by rising threshold."""
    piles = draw_piles(labels, PILES, seed=seed)
    scores, same = all_pair_scores(vectors, labels)
    lowest, highest = (_highest_at_far(scores, same, far) for far in FAR_RANGE)
    impostors = scores[~same]
    trials = []
    for threshold in np.linspace(lowest, highest, TRIALS).round(6).tolist():
        f1 = [
            bcubed(
                cluster_faces(vectors[pile.faces], pile.photos, threshold=threshold),
                labels[pile.faces],
            ).f1
            for pile in piles
        ]
        far = float(np.mean(impostors >= threshold))
        trials.append(ThresholdTrial(far, threshold, float(np.mean(f1))))
    return tuple(trials)


def _highest_at_far(scores: NDArray[np.float32], same: NDArray[np.bool_], far: float) -> float:
    """`threshold_at_far`, or the highest score where it is infinite: no impostor may be let in,
    and one is the most alike of all."""
    return min(threshold_at_far(scores, same, far), float(scores.max()))
