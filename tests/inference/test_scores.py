"""Scores become probabilities, in the same order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceflow_ml.inference.scores import ScoreCalibration

CURVE = ScoreCalibration(slope=2.5, shift=-0.3)


def test_the_default_changes_nothing() -> None:
    scores = np.float32([0.0, 1e-9, 0.5, 1.0])
    assert ScoreCalibration().probability(scores).tolist() == scores.tolist()
    assert ScoreCalibration.of_calibration({"score_threshold": 0.5}) == ScoreCalibration()


def test_by_hand() -> None:
    # Odds of 3 become odds of 3 squared, times e.
    curve = ScoreCalibration(slope=2.0, shift=1.0)
    odds = 9 * np.e
    assert curve.probability(0.75) == pytest.approx(odds / (1 + odds))


@given(st.lists(st.floats(0.001, 0.99), min_size=2, max_size=20))
def test_order_is_kept_and_the_inverse_leads_back(scores: list[float]) -> None:
    probabilities = CURVE.probability(scores)
    assert probabilities.dtype == np.float32
    order = np.argsort(scores, kind="stable")
    assert (np.diff(probabilities[order]) >= 0).all()
    assert CURVE.scores(probabilities) == pytest.approx(scores, abs=1e-3)


@given(st.floats(0, 1), st.floats(0, 1))
def test_no_score_of_a_probability_is_below_the_least(threshold: float, score: float) -> None:
    if CURVE.probability(score) >= threshold:
        assert np.float32(score) >= CURVE.least_score(threshold)


@pytest.mark.parametrize(("slope", "shift"), [(0.0, 0.0), (-1.0, 0.0), (1.0, float("inf"))])
def test_curves_that_do_not_rise(slope: float, shift: float) -> None:
    with pytest.raises(ValueError, match="score_slope"):
        ScoreCalibration(slope, shift)
