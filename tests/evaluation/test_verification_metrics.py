"""Verification metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from faceflow_ml.evaluation.resampling import tar_interval_over_identities
from faceflow_ml.evaluation.verification import (
    all_pair_scores,
    best_accuracy,
    best_threshold,
    kfold_accuracy,
    roc_curve,
    tar_at_far,
    tar_at_far_interval,
    threshold_at_far,
)

# By falling score: same, same, other, same, other, other.
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1])
SAME = np.array([True, True, False, True, False, False])


def unit(rows: list) -> np.ndarray:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_roc_by_hand() -> None:
    curve = roc_curve(SCORES, SAME)
    assert curve.true_accept == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1])
    assert curve.false_accept == pytest.approx([0, 0, 0, 1 / 3, 1 / 3, 2 / 3, 1])
    # The share of (genuine, impostor) pairs in the right order: 8 of 9.
    assert curve.auc == pytest.approx(8 / 9)


def test_equal_scores_are_one_point() -> None:
    curve = roc_curve(np.array([0.5, 0.5, 0.5]), np.array([True, False, False]))
    assert curve.auc == pytest.approx(0.5)
    assert len(curve.thresholds) == 2


@pytest.mark.parametrize(("far", "tar"), [(0.0, 2 / 3), (0.3, 2 / 3), (0.34, 1.0), (1.0, 1.0)])
def test_tar_at_far(far: float, tar: float) -> None:
    assert tar_at_far(SCORES, SAME, far) == pytest.approx(tar)


def test_threshold_at_far_accepts_no_more() -> None:
    assert threshold_at_far(SCORES, SAME, 0.0) == pytest.approx(0.8)
    assert threshold_at_far(SCORES, SAME, 0.34) == pytest.approx(0.6)


def test_best_threshold_and_accuracy() -> None:
    # At 0.6: all genuine pairs, one impostor of three.
    assert best_accuracy(SCORES, SAME) == pytest.approx((1 + 2 / 3) / 2)
    assert best_threshold(np.array([0.9, 0.4, 0.2]), np.array([True, False, False])) == (
        pytest.approx(0.65)
    )


def test_kfold_accuracy_does_not_see_its_own_fold() -> None:
    # Nine folds are parted at 0.5; in the tenth both pairs are on the wrong side of it.
    scores = np.array([0.9] * 9 + [0.1] + [0.1] * 9 + [0.9])
    same = np.array([True] * 10 + [False] * 10)
    result = kfold_accuracy(scores, same, 10)
    assert result.value == pytest.approx(0.9)
    # Standard deviation of nine ones and a zero: sqrt(0.1).
    assert result.value - result.low == pytest.approx(1.96 * np.sqrt(0.1 / 10))


def test_tar_interval_holds_the_value_and_narrows_with_more_pairs() -> None:
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        same = np.arange(2 * n) < n
        return np.where(same, rng.normal(1, 0.5, 2 * n), rng.normal(0, 0.5, 2 * n)), same

    few, many = (tar_at_far_interval(*draw(n), 0.05, samples=200) for n in (100, 4000))
    for result in (few, many):
        assert result.low <= result.value <= result.high
    assert many.high - many.low < (few.high - few.low) / 3
    assert tar_at_far_interval(SCORES, SAME, 0.34, samples=50).value == pytest.approx(1.0)


def test_all_pair_scores() -> None:
    vectors = unit([[1, 0], [0, 1], [1, 1]])
    scores, same = all_pair_scores(vectors, np.array([4, 5, 4]))
    assert scores == pytest.approx([0, np.sqrt(0.5), np.sqrt(0.5)], abs=1e-6)
    assert same.tolist() == [False, True, False]


def test_perfect_vectors_have_a_certain_tar_over_identities() -> None:
    labels = np.repeat(np.arange(5), 4)
    result = tar_interval_over_identities(np.eye(5, dtype=np.float32)[labels], labels, 0.01)
    assert (result.value, result.low, result.high) == (1.0, 1.0, 1.0)


def test_interval_over_identities_is_wider_than_over_pairs() -> None:
    # A few people are hard; their many pairs are no independent evidence.
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(20), 8)
    noise = np.where(np.arange(20) < 4, 1.6, 0.35)[labels]
    centres = rng.normal(size=(20, 16))
    vectors = unit((centres[labels] + noise[:, None] * rng.normal(size=(160, 16))).tolist())
    people = tar_interval_over_identities(vectors, labels, 1e-2)
    pairs = tar_at_far_interval(*all_pair_scores(vectors, labels), 1e-2, samples=200)
    assert people.value == pairs.value
    assert people.low < people.value < people.high
    assert people.high - people.low > 2 * (pairs.high - pairs.low)


@pytest.mark.parametrize("seed", range(8))
def test_a_resampling_of_people_counts_each_pair_as_often_as_they_were_drawn(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    sizes = [2, 3, 5, 8, 2, 9]
    labels = np.repeat(np.arange(6), sizes)
    vectors = unit((rng.normal(size=(6, 8))[labels] + rng.normal(size=(29, 8))).tolist())
    result = tar_interval_over_identities(vectors, labels, 0.02, samples=1, seed=seed)
    # The same draw, with every pair written out as often as it counts.
    count = np.bincount(np.random.default_rng(seed).integers(6, size=6), minlength=6)
    scores, same = all_pair_scores(vectors, labels)
    first, second = np.triu_indices(29, 1)
    times = np.where(same, count[labels[first]], count[labels[first]] * count[labels[second]])
    expected = tar_at_far(np.repeat(scores, times), np.repeat(same, times), 0.02)
    assert (result.low, result.high) == pytest.approx((expected, expected))


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [
        (np.zeros(3), np.ones(2, bool), "expected scores"),
        (np.zeros(3), np.ones(3, bool), "same person and of different"),
        (np.array([0.1, np.nan]), np.array([True, False]), "finite"),
        (np.zeros(2), np.array([1, 0]), "bool"),
    ],
)
def test_bad_arguments(scores: np.ndarray, same: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roc_curve(scores, same)
