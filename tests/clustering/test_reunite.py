"""Groups that stray faces keep apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceflow_ml import cluster_faces
from faceflow_ml.clustering.constraints import resolve_constraints
from faceflow_ml.clustering.linkage import Groups
from faceflow_ml.clustering.neighbors import similar_pairs
from faceflow_ml.clustering.reunite import reunite


def faces(
    count: int, seed: int = 0, noise: float = 0.6, dimensions: int = 128
) -> NDArray[np.float32]:
    """Faces of one person, of mean cosine 1 / (1 + noise^2)."""
    rng = np.random.default_rng(seed)
    x = np.eye(dimensions)[[0] * count]
    x = x + noise * rng.normal(size=x.shape) / np.sqrt(dimensions)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def run(
    vectors: NDArray[np.float32],
    photos: list[int],
    labels: list[int],
    must_link: tuple[tuple[int, int], ...] = (),
    cannot_link: tuple[tuple[int, int], ...] = (),
) -> list[int]:
    constraints = resolve_constraints(len(vectors), np.array(photos), must_link, cannot_link)
    units = Groups.of_units(vectors, constraints)
    by_unit = np.zeros(len(units), dtype=np.int64)
    by_unit[constraints.unit] = labels
    result = reunite(units, by_unit, similar_pairs(units.directions(), 20), 0.3)
    return result[constraints.unit].tolist()


HALVES = [0] * 10 + [1] * 10
ONE_CONFLICT = [*range(19), 0]


def test_one_face_does_not_keep_a_person_in_two() -> None:
    vectors = faces(20)
    vectors[19] = vectors[19] + 1.5 * np.eye(128, dtype=np.float32)[5]
    vectors[19] /= np.linalg.norm(vectors[19])
    labels = run(vectors, ONE_CONFLICT, HALVES)
    assert labels == [0] * 19 + [1], "the farther of the two in one photo is put out"


def test_people_in_many_photos_together_stay_two() -> None:
    assert run(faces(20), [*range(10), *range(10)], HALVES) == HALVES
    assert run(faces(20), [*range(18), 0, 1], HALVES) == HALVES


def test_two_coherent_people_with_one_photo_in_common_stay_two() -> None:
    """As alike as others' faces of one person, but far less than their own are."""
    of = np.repeat([0, 1], 10)
    gram = np.where(of[:, None] == of, 0.7, 0.35) + 0.3 * np.eye(20)
    vectors = np.linalg.cholesky(gram).astype(np.float32)
    units = Groups.of_units(vectors, resolve_constraints(20, np.array(ONE_CONFLICT), (), ()))
    labels, pairs = np.array(HALVES), similar_pairs(units.directions(), 20)
    assert reunite(units, labels, pairs, 0.3, cohesion=0.65).tolist() == HALVES
    assert len(set(reunite(units, labels, pairs, 0.3).tolist()[:10])) == 1
    assert reunite(units, labels, pairs, 0.3).tolist() != HALVES


def test_what_a_person_said_holds() -> None:
    vectors = faces(20)
    assert run(vectors, ONE_CONFLICT, HALVES, cannot_link=((3, 12),)) == HALVES
    linked = ((0, 1), (18, 19))
    assert run(vectors, ONE_CONFLICT, HALVES, must_link=linked) == HALVES


def test_unlike_groups_and_groups_without_conflict_are_left() -> None:
    other = np.roll(faces(10, seed=1), 7, axis=1)
    assert run(np.vstack([faces(10), other]), ONE_CONFLICT, HALVES) == HALVES
    assert run(faces(20), list(range(20)), HALVES) == HALVES


def test_a_collage_seldom_breaks_up_a_person() -> None:
    photos = np.arange(120)
    photos[1::40] = photos[::40]
    whole = 0
    for seed in range(10):
        labels = cluster_faces(faces(120, seed=seed, noise=1.1), photos, threshold=0.25)
        whole += int((labels == 0).sum() >= 117)
        for photo in (0, 40, 80):
            pair = labels[photos == photo]
            assert pair[0] != pair[1]
    assert whole >= 5
