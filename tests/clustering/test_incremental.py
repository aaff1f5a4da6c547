"""New faces for existing groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from faceflow_ml.clustering.incremental import GroupState, IncrementalAssigner


def near(center: int, count: int, seed: int, noise: float = 0.5) -> NDArray[np.float32]:
    """Faces of the person whose direction is a coordinate axis."""
    rng = np.random.default_rng(seed)
    x = np.eye(64)[[center] * count] + noise * rng.normal(size=(count, 64)) / 8
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def state() -> GroupState:
    vectors = np.vstack([near(0, 5, 0), near(1, 3, 1), near(2, 1, 2)])
    return GroupState.of_faces(vectors, ["p001"] * 5 + ["p004"] * 3 + [None])


def test_state_of_faces(state: GroupState) -> None:
    assert state.ids.tolist() == ["p001", "p004"]
    assert state.counts.tolist() == [5, 3]
    assert np.allclose(state.sums[1], near(1, 3, 1).sum(axis=0), atol=1e-6)
    assert state.next_number == 5


def test_known_people_new_people_and_strangers(state: GroupState) -> None:
    assigner = IncrementalAssigner(state, 0.4)
    faces = np.vstack([near(0, 1, 10), near(7, 2, 11), near(1, 1, 12), near(9, 1, 13)])
    assert assigner.assign(faces) == ("p001", "p005", "p005", "p004", None)
    after = assigner.state
    assert after.ids.tolist() == ["p001", "p004", "p005"]
    assert after.counts.tolist() == [6, 4, 2]
    assert np.allclose(after.sums[0], state.sums[0] + faces[0], atol=1e-6)
    assert np.allclose(after.sums[2], faces[1] + faces[2], atol=1e-6)
    assert assigner.assign(near(7, 1, 14)) == ("p005",)
    assert assigner.assign(near(11, 3, 15)) == ("p006",) * 3


def test_one_photo_one_face_a_person(state: GroupState) -> None:
    faces = np.vstack([near(0, 1, 20, noise=0.9), near(0, 1, 21, noise=0.1)])
    assert IncrementalAssigner(state, 0.3).assign(faces, ["x", "y"]) == ("p001", "p001")
    assert IncrementalAssigner(state, 0.3).assign(faces, ["x", "x"]) == (None, "p001")


def test_excluded_groups(state: GroupState) -> None:
    faces = near(0, 1, 22)
    assert IncrementalAssigner(state, 0.3).assign(faces, excluded=[{"p001"}]) == (None,)


def test_poor_faces_found_no_group(state: GroupState) -> None:
    faces = np.vstack([near(7, 2, 11), near(0, 1, 12)])
    given = IncrementalAssigner(state, 0.4).assign(faces, quality=[0.1, 0.1, 0.1])
    assert given == (None, None, "p001")


def test_order_does_not_matter(state: GroupState) -> None:
    faces = np.vstack([near(k, 3, 30 + k, noise=1.0) for k in (0, 1, 5, 6)])
    photos = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 1])
    first = IncrementalAssigner(state, 0.3).assign(faces, photos)
    order = np.random.default_rng(0).permutation(12)
    second = IncrementalAssigner(state, 0.3).assign(faces[order], photos[order])
    moved = [first[k] for k in order]
    # New ids go by first face, so only who is together has to agree.
    assert [[a == b for b in moved] for a in moved] == [[a == b for b in second] for a in second]


def test_a_small_group_needs_a_closer_face() -> None:
    pair = np.eye(3, dtype=np.float32)[[0]]
    face = np.array([[0.55, np.sqrt(1 - 0.55**2), 0]], dtype=np.float32)
    one = GroupState.of_faces(pair, ["p001"])
    many = GroupState.of_faces(np.repeat(pair, 50, axis=0), ["p001"] * 50)
    assert IncrementalAssigner(one, 0.5).assign(face) == (None,)
    assert IncrementalAssigner(many, 0.5).assign(face) == ("p001",)


def test_an_empty_start_and_empty_batches() -> None:
    assigner = IncrementalAssigner(GroupState.of_faces(np.empty((0, 64)), []), 0.4)
    assert assigner.assign(np.empty((0, 64))) == ()
    assert assigner.assign(near(3, 2, 40)) == ("p001", "p001")


def test_state_survives_a_file(state: GroupState, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **vars(state))
    with np.load(tmp_path / "s.npz") as stored:
        again = GroupState(
            stored["ids"], stored["sums"], stored["counts"], int(stored["next_number"])
        )
    faces = np.vstack([near(0, 1, 10), near(7, 2, 11)])
    expected = IncrementalAssigner(state, 0.4).assign(faces)
    assert IncrementalAssigner(again, 0.4).assign(faces) == expected


def test_bad_input(state: GroupState) -> None:
    assigner = IncrementalAssigner(state, 0.4)
    with pytest.raises(ValueError, match="64 dimensions"):
        assigner.assign(np.eye(2, 8))
    with pytest.raises(ValueError, match="excluded"):
        assigner.assign(near(0, 2, 0), excluded=[set()])
    with pytest.raises(ValueError, match="quality"):
        assigner.assign(near(0, 2, 0), quality=[1.0])
    with pytest.raises(ValueError, match="threshold"):
        IncrementalAssigner(state, 1.5)
    with pytest.raises(ValueError, match="unique"):
        GroupState(np.array(["a", "a"]), np.zeros((2, 4), np.float32), np.array([1, 1]), 1)
    with pytest.raises(ValueError, match="sums"):
        GroupState(np.array(["a"]), np.zeros((2, 4), np.float32), np.array([1]), 1)
    with pytest.raises(ValueError, match="a group for each"):
        GroupState.of_faces(near(0, 2, 0), ["p001"])
