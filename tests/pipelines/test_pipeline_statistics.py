"""Paired tests: what they must find, and what they must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from faceflow_ml.evaluation.detection import MatchedDetections, average_precision
from faceflow_ml.evaluation.resampling import (
    tar_interval_over_identities,
    tar_over_resampled_people,
)
from pipelines.statistics import (
    Difference,
    average_precision_over_resampled_images,
    mcnemar,
    paired_difference,
)


def detections(seed: int, quality: float, images: int = 60) -> tuple[MatchedDetections, np.ndarray]:
    """Detections of images with 0 to 4 faces, of which a share ``quality`` is found."""
    rng = np.random.default_rng(seed)
    faces = np.random.default_rng(99).integers(0, 5, images)
    scores, hits, owners = [], [], []
    for image, count in enumerate(faces):
        for _ in range(count):
            if rng.random() < quality:
                scores.append(rng.uniform(0.5, 1.0))
                hits.append(True)
                owners.append(image)
        if rng.random() < 0.3:
            scores.append(rng.uniform(0.0, 0.7))
            hits.append(False)
            owners.append(image)
    order = np.argsort(-np.array(scores))
    matched = MatchedDetections(
        np.array(scores, np.float32)[order],
        np.array(hits)[order],
        np.full(len(scores), np.nan, np.float32),
        np.array(owners)[order],
        int(faces.sum()),
        images,
    )
    return matched, faces


def test_a_worse_detector_is_found_and_an_equal_one_is_not() -> None:
    good, faces = detections(1, 0.9)
    equal, _ = detections(2, 0.9)
    worse, _ = detections(3, 0.6)
    samples = {
        name: average_precision_over_resampled_images(found, faces, samples=300)
        for name, found in (("good", good), ("equal", equal), ("worse", worse))
    }
    same = paired_difference(
        average_precision(equal) - average_precision(good), samples["equal"], samples["good"]
    )
    lost = paired_difference(
        average_precision(worse) - average_precision(good), samples["worse"], samples["good"]
    )
    assert same.low < 0 < same.high
    assert lost.high < 0
    assert lost.loss > 0.2 > same.loss


def test_a_model_does_not_differ_from_itself() -> None:
    matched, faces = detections(1, 0.8)
    samples = average_precision_over_resampled_images(matched, faces, samples=50)
    assert paired_difference(0.0, samples, samples) == Difference(0.0, 0.0, 0.0)
    assert samples.std() > 0  # though its samples differ


def test_pairing_is_sharper_than_two_intervals() -> None:
    """A detector that finds a few faces less in the same images: hard images are hard for both."""
    good, faces = detections(1, 0.9, images=200)
    hits = good.hits.copy()
    hits[np.flatnonzero(hits)[::15]] = False
    worse = MatchedDetections(
        good.scores, hits, good.landmark_errors, good.images, good.faces, good.image_count
    )
    paired = [average_precision_over_resampled_images(m, faces, samples=200) for m in (worse, good)]
    apart = average_precision_over_resampled_images(good, faces, samples=200, seed=5)
    assert (paired[0] - paired[1]).std() < 0.8 * (paired[0] - apart).std()
    value = average_precision(worse) - average_precision(good)
    assert paired_difference(value, *paired).high < 0


def test_faces_of_the_images_must_add_up() -> None:
    matched, faces = detections(1, 0.8)
    with pytest.raises(ValueError, match="sum up"):
        average_precision_over_resampled_images(matched, faces + 1)


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=30),
    st.lists(st.floats(0, 1), min_size=4, max_size=30),
)
@settings(deadline=None)
def test_loss_is_a_share_and_bounds_are_ordered(a: list[float], b: list[float]) -> None:
    size = min(len(a), len(b))
    found = paired_difference(0.0, np.array(a[:size]), np.array(b[:size]))
    assert found.low <= found.high
    assert 0.0 <= found.loss <= 1.0
    assert (found.loss == 0.0) == (found.low >= 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_is_the_greatest_loss(value: float) -> None:
    good = np.array([0.5, 0.6])
    assert paired_difference(value, good, good).loss == 1.0
    assert paired_difference(0.0, np.array([np.nan, np.nan]), good).loss == 1.0
    with pytest.raises(ValueError, match="equally long"):
        paired_difference(0.0, good, good[:1])


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 50))
@settings(deadline=None)
def test_mcnemar_is_the_exact_binomial_test(only_a: int, only_b: int, both: int) -> None:
    a = np.array([True] * only_a + [False] * only_b + [True] * both, bool)
    b = np.array([False] * only_a + [True] * only_b + [True] * both, bool)
    total = only_a + only_b
    expected = min(1.0, 2 * binom.cdf(min(only_a, only_b), total, 0.5)) if total else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)
    assert mcnemar(b, a) == pytest.approx(mcnemar(a, b))


def vectors(noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 32))
    labels = np.repeat(np.arange(12), 6)
    found = centres[labels] + noise * rng.normal(size=(72, 32))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), labels


def test_embedders_are_compared_on_equal_people() -> None:
    good, labels = vectors(0.4)
    worse, _ = vectors(1.4)
    before = tar_over_resampled_people(good, labels, 1e-2, samples=100)
    after = tar_over_resampled_people(worse, labels, 1e-2, samples=100)
    assert paired_difference(0.0, before, before).loss == 0.0
    assert paired_difference(float(np.mean(after - before)), after, before).high < 0
    # The interval is made of the same samples.
    interval = tar_interval_over_identities(good, labels, 1e-2, samples=100)
    assert interval.low == pytest.approx(np.quantile(before[np.isfinite(before)], 0.025))
