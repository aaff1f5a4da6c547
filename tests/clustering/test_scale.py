"""What makes clustering scale: leaves without the package, cells, parts, shards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from faceflow_ml import cluster_faces
from faceflow_ml.clustering import batch, cells, neighbors
from faceflow_ml.clustering.density import _spanning_forest, density_clusters
from faceflow_ml.clustering.neighbors import SimilarPairs, similar_pairs
from faceflow_ml.clustering.sharded import cluster_sharded
from faceflow_ml.evaluation.clustering import bcubed


def people(
    seed: int, sizes: list[int], *, cosine: float = 0.6, dimensions: int = 128
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors of people in random order, whose faces have about this cosine with each other."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centers, own = (rng.normal(size=(k, dimensions)) for k in (len(sizes), len(truth)))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    mix = np.sqrt(cosine) * centers[truth] + np.sqrt(1 - cosine) * own
    return (mix / np.linalg.norm(mix, axis=1, keepdims=True)).astype(np.float32), truth


def partition(labels: NDArray[np.int64]) -> set[frozenset[int]]:
    groups: dict[int, set[int]] = {}
    for face, label in enumerate(labels.tolist()):
        groups.setdefault(label if label >= 0 else -1 - face, set()).add(face)
    return {frozenset(group) for group in groups.values()}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.integers(2, 40), st.floats(0.1, 0.9))
def test_leaves_are_those_of_the_hdbscan_package(seed: int, n: int, cosine: float) -> None:
    hdbscan = pytest.importorskip("hdbscan")
    rng = np.random.default_rng(seed)
    sizes = np.bincount(rng.integers(0, max(2, n // 3), n))
    vectors, _ = people(seed, sizes.tolist(), cosine=cosine, dimensions=8)
    found = density_clusters(n, similar_pairs(vectors, n))

    distance = np.sqrt(np.maximum(2 - 2 * vectors.astype(np.float64) @ vectors.T, 0))
    # Two points far from all others keep the package from taking an album of one as noise.
    far = np.full((n + 2, n + 2), 10.0)
    far[:n, :n] = distance
    far[n:, n:] = 1e-6
    np.fill_diagonal(far, 0)
    model = hdbscan.HDBSCAN(
        metric="precomputed", min_cluster_size=2, min_samples=1, cluster_selection_method="leaf"
    )
    labels = model.fit(far).labels_
    assert partition(found) == partition(np.where(labels == labels[n], -1, labels)[:n])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 60), st.integers(0, 200))
def test_spanning_forest_is_as_heavy_as_scipys(seed: int, n: int, edges: int) -> None:
    rng = np.random.default_rng(seed)
    ends = np.unique(np.sort(rng.integers(0, n, (edges, 2)), axis=1), axis=0)
    ends = ends[ends[:, 0] < ends[:, 1]]
    # Few values, so that many are equal.
    similarity = (rng.integers(1, 6, len(ends)) / 8).astype(np.float32)
    pairs = SimilarPairs(ends[:, 0], ends[:, 1], similarity)
    found = _spanning_forest(n, pairs)
    graph = coo_array((1 - similarity.astype(np.float64), tuple(ends.T)), shape=(n, n))
    expected = minimum_spanning_tree(graph.tocsr())
    assert (1 - similarity[found]).sum() == pytest.approx(expected.sum())
    kept = coo_array((np.ones(len(found)), tuple(ends[found].T)), shape=(n, n))
    trees, parts = (connected_components(g, directed=False)[0] for g in (kept, graph))
    assert trees == parts == n - len(found)
    assert (np.diff(similarity[found]) <= 0).all()


def test_density_of_nothing_and_of_a_chain() -> None:
    none = SimilarPairs(*(np.empty(0, dtype) for dtype in (np.int64, np.int64, np.float32)))
    assert density_clusters(3, none).tolist() == [-1, -1, -1]
    chain = SimilarPairs(
        np.array([0, 2, 1, 3]), np.array([1, 3, 2, 4]), np.float32([0.9, 0.9, 0.5, 0.4])
    )
    assert density_clusters(6, chain).tolist() == [0, 0, 1, 1, -1, -1]


def test_pairs_below_the_floor_change_no_group() -> None:
    vectors, _ = people(1, [9, 7, 5, 4, 3, 2, 2, 1, 1], cosine=0.45, dimensions=24)
    n = len(vectors)
    everything, above = similar_pairs(vectors, n), similar_pairs(vectors, n, 0.35)
    assert len(above) < len(everything)
    dense = [density_clusters(n, pairs) for pairs in (everything, above)]
    together = [above.within(labels) for labels in dense]
    assert np.array_equal(together[0].first, together[1].first)
    assert np.array_equal(together[0].second, together[1].second)


def test_exact_pairs_are_the_nearest_of_each() -> None:
    vectors, _ = people(2, [6] * 20, dimensions=32)
    found = similar_pairs(vectors, 5)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    nearest = np.argsort(-similarity, axis=1)[:, :5]
    wanted = {tuple(sorted((i, int(j)))) for i, row in enumerate(nearest) for j in row}
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == wanted
    assert found.similarity == pytest.approx(similarity[found.first, found.second], abs=1e-5)
    assert (found.first < found.second).all()


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The approximate search, at a size that tests have time for: two cells of some thirty."""
    for module in (neighbors, batch):
        monkeypatch.setattr(module, "EXACT", 500)
    monkeypatch.setattr(cells, "SIZE", 64)
    monkeypatch.setattr(cells, "PROBES", 2)


def test_cells_hold_every_vector_once_and_are_the_same_again(few_are_many: None) -> None:
    vectors, _ = people(3, [10] * 200)
    blocks = list(cells.cells(vectors))
    assert np.array_equal(
        np.sort(np.concatenate([columns for _, columns in blocks])), np.arange(2000)
    )
    again = list(cells.cells(vectors))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(blocks, again, strict=True))


def test_the_approximate_search_finds_nearly_all(few_are_many: None) -> None:
    vectors, truth = people(4, [10] * 200)
    found = similar_pairs(vectors, 32, 0.4)
    assert (truth[found.first] == truth[found.second]).mean() > 0.98
    assert len(found) > 0.9 * 200 * 45
    assert np.unique(found.first * 2000 + found.second).size == len(found)


def test_no_vector_keeps_more_pairs_than_its_limit(
    few_are_many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "_BUFFER", 5_000)
    vectors, _ = people(5, [40] * 40, cosine=0.7)
    found = similar_pairs(vectors, 6)
    assert len(found) <= 6 * len(vectors)
    degree = np.bincount(np.concatenate([found.first, found.second]), minlength=len(vectors))
    assert degree.min() >= 6


def test_many_faces_are_grouped_as_well_as_few(few_are_many: None) -> None:
    vectors, truth = people(6, [12, 9, 7, 5, 4, 3, 2, 1] * 40)
    pairs = similar_pairs(vectors, 32, 0.35)
    sought = truth[:, None] == truth
    assert len(pairs) < 0.9 * np.triu(sought, 1).sum(), "the first round misses many"
    assert bcubed(cluster_faces(vectors, threshold=0.35), truth).f1 > 0.99


def test_shards_merge_to_nearly_the_same() -> None:
    vectors, truth = people(7, [20, 12, 8, 6, 4, 3, 2, 1] * 15, cosine=0.5)
    days = np.random.default_rng(0).integers(0, 40, len(vectors))
    whole = bcubed(cluster_faces(vectors, threshold=0.3), truth).f1
    parts = bcubed(cluster_sharded(vectors, days, threshold=0.3, smallest=20), truth).f1
    assert parts > whole - 0.01 and whole > 0.95


def test_one_shard_is_cluster_faces() -> None:
    vectors, _ = people(8, [6, 5, 4, 3, 2, 1], cosine=0.4, dimensions=24)
    expected = cluster_faces(vectors, threshold=0.3)
    assert cluster_sharded(vectors, np.zeros(21, int), threshold=0.3).tolist() == expected.tolist()


@pytest.mark.parametrize("shards", [[0] * 3, [0.5] * 4, [[0], [1], [2], [3]]])
def test_bad_shards(shards: list[object]) -> None:
    with pytest.raises(ValueError, match="shards must hold"):
        cluster_sharded(np.eye(4, 8, dtype=np.float32), shards)


def test_no_faces_no_shards() -> None:
    empty = np.empty((0, 8), np.float32)
    assert cluster_sharded(empty, np.empty(0, int)).shape == (0,)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_constraints_hold_across_shards(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**16))
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    vectors, _ = people(seed, sizes, cosine=data.draw(st.floats(0.2, 0.9)), dimensions=16)
    n = len(vectors)
    pairs = st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=4)
    must, cannot = data.draw(pairs), data.draw(pairs)
    photos = np.array(data.draw(st.lists(st.integers(0, n), min_size=n, max_size=n)))
    shards = photos // 3  # a photo is of one day
    options = {"must_link": must, "cannot_link": cannot, "photo_ids": photos, "threshold": 0.2}
    try:
        labels = cluster_sharded(vectors, shards, smallest=3, **options)  # type: ignore[arg-type]
    except ValueError:
        assume(False)
    same = (labels[:, None] == labels) & (labels >= 0)
    assert all(i == j or same[i, j] for i, j in must)
    assert not any(same[i, j] for i, j in cannot)
    linked = np.eye(n, dtype=int)
    for i, j in must:
        linked[i, j] = linked[j, i] = 1
    linked = np.linalg.matrix_power(linked, n) > 0
    assert not (same & (photos[:, None] == photos) & ~linked).any()
    order = np.random.default_rng(seed).permutation(n)
    rank = np.argsort(order)
    again = cluster_sharded(
        vectors[order],
        shards[order],
        smallest=3,
        photo_ids=photos[order],
        must_link=[(rank[i], rank[j]) for i, j in must],
        cannot_link=[(rank[i], rank[j]) for i, j in cannot],
        threshold=0.2,
    )
    assert partition(again) == partition(labels[order])
