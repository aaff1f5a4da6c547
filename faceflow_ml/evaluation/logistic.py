"""Logistic regression: how likely an outcome is, by what is known of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from faceflow_ml.clustering.confidence import FloatArray, probability

_RIDGE = 1e-5


def fit_logistic(features: FloatArray, outcome: NDArray[np.bool_]) -> FloatArray:
    """(w,) weights of the greatest likelihood for (m, w) features, with a faint ridge that keeps
    them finite where the outcomes can be told apart without error."""
    sign = np.where(outcome, 1.0, -1.0)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        score = sign * (features @ weights)
        value = np.logaddexp(0.0, -score).mean() + _RIDGE * weights @ weights / 2
        slope = -sign * probability(-score[:, None], np.ones(1))
        return float(value), features.T @ slope / len(features) + _RIDGE * weights

    if len(features) == 0:
        return np.zeros(features.shape[1])
    return np.asarray(minimize(loss, np.zeros(features.shape[1]), jac=True, method="BFGS").x)
