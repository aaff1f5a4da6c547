"""Probabilities for groups and their faces."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from faceflow_ml.clustering.confidence import (
    ConfidenceModel,
    gather_evidence,
    group_confidence,
    member_confidence,
)

MODEL = ConfidenceModel(
    member_bias=-3.0,
    member_within=12.0,
    member_margin=5.0,
    member_size=-0.2,
    group_bias=-6.0,
    group_within=0.0,
    group_least=14.0,
    group_margin=8.0,
    group_size=0.5,
)


def faces(
    seed: int, sizes: list[int], noise: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(sizes), 64))[truth] + noise * rng.normal(size=(len(truth), 64))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), truth


def test_evidence_follows_its_definition() -> None:
    vectors, labels = faces(0, [4, 3, 2], noise=1.0)
    labels = labels.copy()
    labels[0] = -1
    evidence = gather_evidence(vectors, labels)
    assert evidence.faces.tolist() == list(range(1, 9))
    within = [
        np.mean([vectors[i] @ vectors[j] for j in np.flatnonzero(labels == labels[i]) if j != i])
        for i in range(1, 9)
    ]
    other = [
        max(np.mean(vectors[labels == g] @ vectors[i]) for g in range(3) if g != labels[i])
        for i in range(1, 9)
    ]
    margin = np.array(within) - np.maximum(other, 0)
    np.testing.assert_allclose(evidence.members[:, 1], within, atol=1e-5)
    np.testing.assert_allclose(evidence.members[:, 2], margin, atol=1e-5)
    np.testing.assert_allclose(
        evidence.groups[0, 1:3], [np.mean(within[:3]), min(within[:3])], atol=1e-5
    )
    np.testing.assert_allclose(evidence.groups[:, 4], np.log([3, 3, 2]))


def test_a_stranger_lowers_the_group_and_himself() -> None:
    vectors, truth = faces(1, [6, 6, 1], noise=0.5)
    labels = truth.copy()
    labels[12] = 0
    groups, members = (
        group_confidence(vectors, labels, MODEL),
        member_confidence(vectors, labels, MODEL),
    )
    assert groups[0] < 0.1 < 0.9 < groups[1]
    assert members[12] < 0.3 and members[:12].min() > 0.9


def test_faces_in_no_group_and_groups_of_one() -> None:
    vectors, _ = faces(2, [3], noise=0.5)
    assert group_confidence(vectors, np.array([0, -1, 1]), MODEL).tolist() == [1.0, 1.0]
    assert member_confidence(vectors, np.array([0, -1, 1]), MODEL).tolist() == [1.0, 0.0, 1.0]
    none = np.full(3, -1)
    assert group_confidence(vectors, none, MODEL).shape == (0,)
    assert member_confidence(vectors, none, MODEL).tolist() == [0.0] * 3


def test_order_of_faces_does_not_matter() -> None:
    vectors, labels = faces(3, [5, 4, 2], noise=1.2)
    order = np.random.default_rng(0).permutation(len(labels))
    np.testing.assert_allclose(
        group_confidence(vectors[order], labels[order], MODEL),
        group_confidence(vectors, labels, MODEL),
        rtol=1e-4,
    )


def test_a_manifest_without_confidence_is_read() -> None:
    assert ConfidenceModel.of_calibration({"match_threshold": 0.3}) is None


@pytest.mark.parametrize("labels", [[0, 0], [0, 2, 2], [0, -2, 0], [0.0, 0.0, 0.0]])
def test_bad_labels(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="expected a group|contiguous"):
        group_confidence(faces(0, [3], 1.0)[0], np.array(labels), MODEL)
