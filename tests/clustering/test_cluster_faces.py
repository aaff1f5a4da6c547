"""`cluster_faces`: what it finds, and what it promises whatever the vectors are."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceflow_ml import cluster_faces
from faceflow_ml.clustering.constraints import resolve_constraints
from faceflow_ml.evaluation.clustering import bcubed

METHODS = ["hdbscan", "agglomerative", "chinese_whispers", "dbscan"]
METHODS += ["leiden"] if find_spec("leidenalg") else []
METHODS += ["infomap"] if find_spec("infomap") else []


def people(
    seed: int, sizes: list[int], *, cosine: float = 0.6, dimensions: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors of people whose faces have about this cosine with each other."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)

    def directions(n: int) -> NDArray[np.float64]:
        x = rng.normal(size=(n, dimensions))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    mix = np.sqrt(cosine) * directions(len(sizes))[truth] + np.sqrt(1 - cosine) * directions(
        len(truth)
    )
    mix /= np.linalg.norm(mix, axis=1, keepdims=True)
    return mix.astype(np.float32), truth


def together(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n, n) which faces share a group."""
    return (labels[:, None] == labels) & (labels >= 0)


@pytest.mark.parametrize("method", METHODS)
def test_finds_the_people(method: str) -> None:
    vectors, truth = people(0, [12, 8, 5, 3, 2, 1, 1], dimensions=256)
    labels = cluster_faces(vectors, method=method, threshold=0.3)
    assert bcubed(labels, truth).f1 == 1.0
    assert labels.dtype == np.int64
    assert np.bincount(labels[labels >= 0]).tolist() == [12, 8, 5, 3, 2]
    assert (labels[truth >= 5] == -1).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 20])
def test_an_album_of_one_person(method: str, n: int) -> None:
    vectors, _ = people(1, [n], cosine=0.8)
    labels = cluster_faces(vectors, method=method)
    assert labels.shape == (n,)
    assert (labels == (0 if n > 1 else -1)).all()


def test_two_strangers() -> None:
    assert cluster_faces(np.eye(2, 8, dtype=np.float32)).tolist() == [-1, -1]


def test_copies_of_one_face() -> None:
    vectors = np.eye(3, 8, dtype=np.float32)[[0, 0, 0, 1, 1, 2]]
    assert cluster_faces(vectors).tolist() == [0, 0, 0, 1, 1, -1]


def test_of_two_faces_in_one_photo_the_closer_stays() -> None:
    vectors, _ = people(2, [7], cosine=0.8, dimensions=256)
    lookalike = vectors[6] + 0.7 * people(9, [1], dimensions=256)[0][0]
    vectors[6] = lookalike / np.linalg.norm(lookalike)
    assert (cluster_faces(vectors) == 0).all()
    photos = ["a", "b", "c", "d", "e", "f", "a"]
    assert cluster_faces(vectors, photos).tolist() == [0] * 6 + [-1]
    assert (cluster_faces(vectors, photos, must_link=[(0, 6)]) == 0).all()


def test_people_who_are_always_together_stay_apart() -> None:
    vectors, truth = people(3, [8, 8], cosine=0.5, dimensions=256)
    twins = vectors + 2 * vectors.mean(axis=0)
    twins /= np.linalg.norm(twins, axis=1, keepdims=True)
    photos = np.tile(np.arange(8), 2)
    assert cluster_faces(twins).max() == 0, "without photos they are one"
    labels = cluster_faces(twins, photos)
    assert bcubed(labels, truth).precision > 0.8


def test_poor_faces_join_groups_but_found_none() -> None:
    vectors, truth = people(4, [6, 4], cosine=0.7, dimensions=256)
    quality = np.where((truth == 1) | (np.arange(10) == 0), 0.1, 0.9)
    labels = cluster_faces(vectors, quality=quality, threshold=0.3)
    assert labels.tolist() == [0] * 6 + [-1] * 4
    linked = cluster_faces(vectors, quality=quality, threshold=0.3, must_link=[(6, 7)])
    assert linked.tolist() == [0] * 6 + [1] * 4


def test_must_linked_strangers_are_a_group_whatever_its_size() -> None:
    vectors = np.eye(4, 8, dtype=np.float32)
    labels = cluster_faces(vectors, must_link=[(1, 3)], min_cluster_size=3)
    assert labels.tolist() == [-1, 0, -1, 0]


def test_min_cluster_size() -> None:
    vectors, _ = people(5, [5, 2], cosine=0.8, dimensions=256)
    assert cluster_faces(vectors, min_cluster_size=3).tolist() == [0] * 5 + [-1] * 2


def test_labels_of_equal_size_go_by_first_face() -> None:
    vectors, _ = people(6, [2, 2, 2], cosine=0.9, dimensions=256)
    assert cluster_faces(vectors[[4, 0, 2, 5, 1, 3]]).tolist() == [0, 1, 2, 0, 1, 2]


def test_float64_and_lists_are_accepted() -> None:
    vectors, _ = people(7, [3, 3], cosine=0.8)
    expected = cluster_faces(vectors).tolist()
    assert cluster_faces(vectors.astype(np.float64)).tolist() == expected
    assert cluster_faces(vectors.tolist()).tolist() == expected


@pytest.mark.parametrize(
    ("vectors", "options", "message"),
    [
        (np.ones(4, np.float32), {}, r"\(n, d\)"),
        (np.eye(3, 4, dtype=np.int64), {}, "floating"),
        (np.full((2, 4), np.nan, np.float32), {}, "finite"),
        (np.eye(2, 4, dtype=np.float32) * 1.02, {}, "row 0 has norm 1.02"),
        (np.zeros((2, 4), np.float32), {}, "L2-normalised"),
        (np.eye(2, 4), {"photo_ids": ["a"]}, "photo_ids"),
        (np.eye(2, 4), {"quality": [0.5]}, "quality must have shape"),
        (np.eye(2, 4), {"quality": [0.5, 1.5]}, "quality must be in"),
        (np.eye(2, 4), {"quality": [0.5, np.nan]}, "quality must be in"),
        (np.eye(2, 4), {"method": "kmeans"}, "method"),
        (np.eye(2, 4), {"threshold": 2.0}, "threshold"),
        (np.eye(2, 4), {"threshold": np.nan}, "threshold"),
        (np.eye(2, 4), {"min_quality": np.nan}, "min_quality"),
        (np.eye(2, 4), {"min_cluster_size": 1}, "min_cluster_size"),
        (np.eye(2, 4), {"min_cluster_size": 2.5}, "min_cluster_size must be a whole number"),
        (np.eye(2, 4), {"must_link": [(0, 2)]}, "out of range"),
        (np.eye(3, 4), {"must_link": [(0, 1)], "cannot_link": [(1, 0)]}, r"\(1, 0\)"),
    ],
)
def test_bad_input(vectors: NDArray[np.generic], options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_faces(vectors, **options)  # type: ignore[arg-type]


@st.composite
def albums(draw: st.DrawFn) -> tuple[NDArray[np.float32], dict[str, object]]:
    """Faces that are hard to tell apart, in photos, with constraints that may contradict."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    seed, cosine = draw(st.integers(0, 2**16)), draw(st.floats(0.2, 0.9))
    vectors, _ = people(seed, sizes, cosine=cosine, dimensions=16)
    n = len(vectors)
    pairs = st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=5)
    return vectors, {
        "photo_ids": np.array(draw(st.lists(st.integers(0, n), min_size=n, max_size=n))),
        "must_link": draw(pairs),
        "cannot_link": draw(pairs),
        "quality": np.array(draw(st.lists(st.floats(0, 1), min_size=n, max_size=n))),
        "method": draw(st.sampled_from(METHODS)),
        "threshold": draw(st.floats(-0.2, 0.8)),
        "min_cluster_size": draw(st.integers(2, 4)),
    }


def cluster_or_skip(vectors: NDArray[np.float32], options: dict[str, object]) -> NDArray[np.int64]:
    must, cannot = options["must_link"], options["cannot_link"]
    try:
        resolve_constraints(len(vectors), must_link=must, cannot_link=cannot)  # type: ignore[arg-type]
    except ValueError:
        assume(False)
    return cluster_faces(vectors, **options)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(albums())
def test_constraints_always_hold(album: tuple[NDArray[np.float32], dict[str, object]]) -> None:
    vectors, options = album
    labels = cluster_or_skip(vectors, options)
    same = together(labels)
    for i, j in options["must_link"]:  # type: ignore[attr-defined]
        assert i == j or same[i, j]
    for i, j in options["cannot_link"]:  # type: ignore[attr-defined]
        assert not same[i, j]
    linked = np.eye(len(labels), dtype=int)
    for i, j in options["must_link"]:  # type: ignore[attr-defined]
        linked[i, j] = linked[j, i] = 1
    linked = np.linalg.matrix_power(linked, len(labels)) > 0
    photos = np.asarray(options["photo_ids"])
    assert not (same & (photos[:, None] == photos) & ~linked).any()

    sizes = np.bincount(labels[labels >= 0])
    assert (np.diff(sizes) <= 0).all() and (sizes >= 2).all()
    small = np.isin(labels, np.flatnonzero(sizes < options["min_cluster_size"]))  # type: ignore[operator]
    has_link = (linked.sum(axis=1) > 1) & same
    assert has_link[small].any(axis=1).all() if small.any() else True
    assert np.array_equal(labels, cluster_faces(vectors, **options))  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(albums(), st.randoms(use_true_random=False))
def test_order_does_not_matter(
    album: tuple[NDArray[np.float32], dict[str, object]], random: object
) -> None:
    vectors, options = album
    labels = cluster_or_skip(vectors, options)
    order = list(range(len(vectors)))
    random.shuffle(order)  # type: ignore[attr-defined]
    rank = np.argsort(order)
    moved = dict(options)
    for name in ("must_link", "cannot_link"):
        moved[name] = [(rank[i], rank[j]) for i, j in options[name]]  # type: ignore[attr-defined]
    for name in ("photo_ids", "quality"):
        moved[name] = np.asarray(options[name])[order]
    again = cluster_faces(vectors[order], **moved)  # type: ignore[arg-type]
    assert np.array_equal(together(labels)[np.ix_(order, order)], together(again))


def test_thousands_of_faces_need_no_matrix_of_all_pairs() -> None:
    import tracemalloc

    vectors, truth = people(8, [10] * 400, cosine=0.5, dimensions=128)
    tracemalloc.start()
    labels = cluster_faces(vectors, threshold=0.35)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bcubed(labels, truth).f1 > 0.95
    assert peak < len(vectors) ** 2 * 4
