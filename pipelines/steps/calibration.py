"""The numbers that a trained model is used by, from the data that it is measured on.

They go with the model: those of another one do not hold for its scores and vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from faceflow_ml.evaluation.calibration import (
    FALSE_POSITIVES_PER_IMAGE,
    calibrate_detector,
    calibrate_embedder,
)
from faceflow_ml.evaluation.piles import PEOPLE
from faceflow_ml.evaluation.reports import plain
from faceflow_ml.evaluation.run_detection import DetectorRun, recalibrated
from faceflow_ml.evaluation.run_verification import IdentityRun
from faceflow_ml.inference.scores import ScoreCalibration


def calibrate(run: DetectorRun | IdentityRun) -> dict[str, float]:
    """Calibration of the manifest, by key: a detector's score threshold and the curve of its
    scores, with the companions that judged its candidates; an embedder's match threshold, range of
    norms and confidence.

    Empty where there is so little data that the numbers would be chance: photos that may not have a
    single false positive between them, or fewer people than an album has.
    """
    if isinstance(run, DetectorRun):
        if FALSE_POSITIVES_PER_IMAGE * len(run.samples) < 1:
            return {}
        numbers: dict[str, float] = plain(calibrate_detector(run))
        return numbers
    if len(np.unique(run.labels)) < PEOPLE[0]:
        return {}
    return calibrate_embedder(run.vectors, run.norms, run.labels)[0].numbers()


def metrics_in_use(run: DetectorRun | IdentityRun, calibration: dict[str, float]) -> Any:
    """The metrics of a run; a detector's are of its calibrated scores and threshold."""
    threshold = calibration.get("score_threshold")
    if not isinstance(run, DetectorRun) or threshold is None:
        return run.metrics
    return recalibrated(run, ScoreCalibration.of_calibration(calibration), threshold).metrics
