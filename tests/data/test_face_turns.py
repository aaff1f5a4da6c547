"""Faces are turned as a head turns: the nose leads, the eyes stay level, nothing folds."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("albumentations")

import albumentations as A

from faceflow_ml.data.face_transforms import FaceTransform, Turn
from faceflow_ml.data.face_turns import (
    MOST_DEGREES,
    face_depth,
    turn_face,
    turn_map,
    turn_maps,
    turn_points,
)
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE

_LEFT_EYE, _RIGHT_EYE, _NOSE = ARCFACE_TEMPLATE[:3]


def _dot(x: float, y: float) -> np.ndarray:
    face = np.zeros((112, 112, 3), np.uint8)
    face[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2] = 255
    return face


def _seen(point: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """Where a dot at ``point`` is once the face is turned, (x, y)."""
    bright = turn_face(_dot(*point), turn_map(112, yaw, pitch))[..., 0].astype(float)
    rows, columns = np.mgrid[:112, :112]
    return np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum()


@pytest.mark.parametrize("size", [64, 112])
def test_no_turn_changes_nothing(size: int) -> None:
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    np.testing.assert_allclose(turn_map(size, 0, 0), np.dstack([columns, rows]), atol=1e-3)


def test_the_nose_is_what_lies_farthest_before() -> None:
    grid = np.stack(np.meshgrid(np.arange(112.0), np.arange(112.0)), axis=-1)
    depth = face_depth(grid)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    assert np.linalg.norm(np.array([x, y]) - _NOSE) < 2
    assert depth.min() > 0


@pytest.mark.parametrize("yaw", [-25.0, 25.0])
def test_the_nose_leads_to_the_side_and_that_half_is_narrower(yaw: float) -> None:
    left, right, nose = (_seen(point, yaw, 0) for point in (_LEFT_EYE, _RIGHT_EYE, _NOSE))
    assert np.sign(nose[0] - _NOSE[0]) == np.sign(yaw) and abs(nose[0] - _NOSE[0]) > 3
    to_the_left, to_the_right = nose[0] - left[0], right[0] - nose[0]
    assert np.sign(to_the_left - to_the_right) == np.sign(yaw)
    assert abs(left[1] - right[1]) < 2


def test_a_head_held_up_shows_the_nose_nearer_to_the_eyes() -> None:
    eyes, nose = _seen(_LEFT_EYE, 0, 15)[1], _seen(_NOSE, 0, 15)[1]
    assert nose - eyes < _NOSE[1] - _LEFT_EYE[1] - 2


def test_turned_faces_are_aligned_again() -> None:
    for yaw, pitch in [(-25, 12), (25, -12), (20, 0), (0, 12)]:
        moved = [_seen(point, yaw, pitch) - point for point in ARCFACE_TEMPLATE]
        assert np.linalg.norm(np.mean(moved, axis=0)) < 0.5


@pytest.mark.parametrize("pitch", [-MOST_DEGREES / 2, 0.0, MOST_DEGREES / 2])
@pytest.mark.parametrize("yaw", [-MOST_DEGREES, MOST_DEGREES])
def test_nothing_folds(yaw: float, pitch: float) -> None:
    """Neighbours stay neighbours, in their order, and each pixel comes from one place."""
    grid = np.stack(np.meshgrid(np.arange(112.0), np.arange(112.0)), axis=-1)
    seen = turn_points(grid, yaw, pitch)
    across, down = np.diff(seen, axis=1)[:-1], np.diff(seen, axis=0)[:, :-1]
    assert (across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0] > 0).all()
    source = turn_map(112, yaw, pitch)
    assert np.isfinite(source).all() and np.abs(np.diff(source, axis=1)).max() < 8


@pytest.mark.parametrize(("yaw", "pitch"), [(31, 0), (-31, 0), (0, 16), (0, -16)])
def test_more_than_a_shape_without_folds_bears_is_refused(yaw: float, pitch: float) -> None:
    with pytest.raises(ValueError, match="30"):
        turn_map(112, yaw, pitch)


def test_half_of_the_faces_are_turned_each_in_its_own_way() -> None:
    face = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    augment = A.Compose([Turn(20, p=0.5)], seed=1)
    seen = [augment(image=face)["image"].tobytes() for _ in range(300)]
    assert 110 < seen.count(face.tobytes()) < 190
    possible = {turn_face(face, turn).tobytes() for turn in turn_maps(112, 20)}
    assert len(possible) == 64
    found = set(seen) - {face.tobytes()}
    assert found <= possible and len(found) > 40


def test_turned_faces_follow_from_the_seed() -> None:
    face = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    transform = FaceTransform(112, augment=True, turn=20)
    first = transform([face] * 20, 3)
    transform([face], 4)
    np.testing.assert_array_equal(first, transform([face] * 20, 3))
