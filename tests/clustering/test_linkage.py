"""Constrained average linkage against SciPy's, and its constraints."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from faceflow_ml.clustering.constraints import resolve_constraints
from faceflow_ml.clustering.linkage import Groups, agglomerate
from faceflow_ml.clustering.neighbors import similar_pairs


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == k).tolist()) for k in np.unique(labels)}


@pytest.mark.parametrize("threshold", [-0.1, 0.0, 0.1, 0.2, 0.4])
def test_equals_scipy_average_linkage(threshold: float) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(120, 12)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = Groups.of_units(vectors, resolve_constraints(120))
    labels = agglomerate(groups, similar_pairs(vectors, 120).above(threshold), threshold)
    tree = linkage(pdist(vectors.astype(np.float64), "cosine"), "average")
    assert partition(labels) == partition(fcluster(tree, 1 - threshold, "distance"))


def test_small_groups_need_more() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    groups = Groups.of_units(vectors, resolve_constraints(2))
    pairs = similar_pairs(vectors, 1)
    assert agglomerate(groups, pairs, 0.5, small_margin=0.09).tolist() == [0, 0]
    assert agglomerate(groups, pairs, 0.5, small_margin=0.11).tolist() == [0, 1]


def _two_people(within: float, between: float, faces: int) -> np.ndarray:
    """Unit vectors of two people with the given cosines, exactly."""
    n = 2 * faces
    of = np.repeat([0, 1], faces)
    gram = np.where(of[:, None] == of, within, between) + (1 - within) * np.eye(n)
    return np.linalg.cholesky(gram).astype(np.float32)


@pytest.mark.parametrize(("within", "joined"), [(0.8, False), (0.5, True)])
def test_much_alike_people_stay_apart(within: float, joined: bool) -> None:
    vectors = _two_people(within, between=0.41, faces=8)
    groups = Groups.of_units(vectors, resolve_constraints(16))
    labels = agglomerate(groups, similar_pairs(vectors, 16), 0.25, cohesion=0.65)
    assert partition(labels) == (
        {frozenset(range(16))} if joined else {frozenset(range(8)), frozenset(range(8, 16))}
    )


def test_two_bursts_of_one_person_join() -> None:
    vectors = _two_people(0.97, between=0.43, faces=6)
    groups = Groups.of_units(vectors, resolve_constraints(12))
    labels = agglomerate(groups, similar_pairs(vectors, 12), 0.25, cohesion=0.65)
    assert set(labels.tolist()) == {0}


def test_a_burst_keeps_no_other_photo_away() -> None:
    """Four faces of one moment, all but equal, and single ones of the same person."""
    vectors = np.zeros((6, 8), np.float32)
    vectors[:4, 0] = 1.0
    vectors[4:, 0] = 0.4
    vectors[4, 1] = vectors[5, 2] = np.sqrt(1 - 0.4**2)
    groups = Groups.of_units(vectors, resolve_constraints(6))
    labels = agglomerate(groups, similar_pairs(vectors, 6), 0.25, cohesion=0.65)
    assert labels[:5].tolist() == [0] * 5


def test_satellites_found_no_group_but_join() -> None:
    vectors = np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 1]]
    groups = Groups.of_units(vectors, resolve_constraints(5))
    satellite = np.array([True, True, False, True, True])
    labels = agglomerate(groups, similar_pairs(vectors, 4), 0.5, satellite=satellite)
    assert labels.tolist() == [0, 0, 0, 1, 2]


def test_cannot_links_follow_merged_groups() -> None:
    vectors = np.tile(np.array([[1, 0]], dtype=np.float32), (4, 1))
    constraints = resolve_constraints(4, cannot_link=[(0, 3), (1, 3), (2, 3)])
    groups = Groups.of_units(vectors, constraints)
    assert partition(agglomerate(groups, similar_pairs(vectors, 3), 0.5)) == {
        frozenset({0, 1, 2}),
        frozenset({3}),
    }
    merged = groups.contract(np.array([0, 0, 1, 2]))
    assert merged.counts.tolist() == [2, 1, 1]
    assert merged.forbidden == (frozenset({2}), frozenset({2}), frozenset({0, 1}))


def test_similar_pairs_are_exact_and_unique() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = similar_pairs(vectors, 5)
    cosine = vectors @ vectors.T - 2 * np.eye(50)
    nearest = np.argsort(-cosine, axis=1)[:, :5]
    expected = {(min(i, j), max(i, j)) for i, row in enumerate(nearest.tolist()) for j in row}
    found = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert set(found) == expected and len(found) == len(expected)
    assert np.allclose(pairs.similarity, cosine[pairs.first, pairs.second], atol=1e-5)
