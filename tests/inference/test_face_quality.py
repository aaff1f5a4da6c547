"""Quality falls with everything that makes a face harder to recognise."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflow_ml.clustering.batch import MIN_QUALITY
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE
from faceflow_ml.inference.quality import QualityParts, face_quality, quality_parts
from faceflow_ml.inference.types import Detections


def picture(size: int = 400, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (size // 20, size // 20, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).astype(int)
    return (image + rng.integers(-25, 25, image.shape)).clip(0, 255).astype(np.uint8)


def faces(landmarks: np.ndarray, score: float = 0.9) -> Detections:
    points = np.asarray(landmarks, np.float32)
    points = points[None] if points.ndim == 2 else points
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return Detections(boxes, np.full(len(points), score, np.float32), points)


FRONTAL = ARCFACE_TEMPLATE + 120


def yaw(points: np.ndarray, angle: float) -> np.ndarray:
    """The landmarks of a head turned by ``angle`` radians; the nose is nearer to the camera."""
    centre = points.mean(axis=0)
    x, y = (points - centre).T
    depth = np.array([0, 0, 20, 2, 2])
    return np.stack([x * np.cos(angle) + depth * np.sin(angle), y], axis=1) + centre


def parts_of(image: np.ndarray, points: np.ndarray, **options) -> QualityParts:
    return quality_parts(image, faces(points), **options)


def falls(values: list[np.ndarray]) -> bool:
    return all(b.item() < a.item() for a, b in pairwise(values))


def test_a_good_face_is_near_one() -> None:
    quality = face_quality(picture(), faces(FRONTAL))
    assert quality.shape == (1,)
    assert quality.dtype == np.float32
    assert quality[0] > 0.9


def test_falls_with_size() -> None:
    found = [
        parts_of(picture(), FRONTAL[2] + (FRONTAL - FRONTAL[2]) * k) for k in (1, 0.6, 0.4, 0.2)
    ]
    assert falls([parts.size for parts in found])
    assert falls([parts.total for parts in found])


def test_falls_with_blur() -> None:
    found = [parts_of(picture(), FRONTAL)]
    for sigma in (1, 2, 4):
        found.append(parts_of(cv2.GaussianBlur(picture(), (0, 0), sigma), FRONTAL))
    assert falls([parts.sharpness for parts in found])
    assert falls([parts.total for parts in found])
    assert found[-1].sharpness < 0.2
    assert found[0].sharpness > 0.9


@pytest.mark.parametrize("side", [-1, 1])
def test_falls_with_yaw_to_both_sides(side: int) -> None:
    found = [parts_of(picture(), yaw(FRONTAL, side * angle)) for angle in (0, 0.3, 0.6, 0.9, 1.2)]
    assert falls([parts.pose for parts in found])
    assert found[-1].pose < 0.2
    assert found[0].pose > 0.95


@pytest.mark.parametrize("direction", [-1, 1])
def test_falls_with_pitch(direction: int) -> None:
    poses = []
    for shift in (0, 5, 10, 15):
        points = FRONTAL.copy()
        points[2, 1] += direction * shift
        poses.append(parts_of(picture(), points).pose)
    assert falls(poses)


@settings(max_examples=30, deadline=None)
@given(st.floats(-3.14, 3.14))
def test_roll_does_not_count(angle: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = FRONTAL.mean(axis=0)
    crops = np.zeros((1, 112, 112, 3), np.uint8)
    upright = parts_of(picture(), yaw(FRONTAL, 0.5), crops=crops)
    rolled = parts_of(picture(), (yaw(FRONTAL, 0.5) - centre) @ turn + centre, crops=crops)
    assert rolled.pose.item() == pytest.approx(upright.pose.item(), abs=1e-3)
    assert rolled.size.item() == pytest.approx(upright.size.item(), abs=1e-3)


def test_rises_with_score_and_calibrated_norm() -> None:
    image = picture()
    low, high = (face_quality(image, faces(FRONTAL, score)) for score in (0.5, 0.99))
    assert low < high
    by_norm = [
        face_quality(image, faces(FRONTAL), [norm], norm_range=(5, 20)) for norm in (25, 15, 10, 1)
    ]
    assert falls(by_norm)
    unknown = face_quality(image, faces(FRONTAL), [1.0])
    assert unknown == face_quality(image, faces(FRONTAL))


def test_a_short_vector_alone_keeps_no_face_out() -> None:
    """Norms follow how many faces like it the embedder has seen; a sharp one may found a group."""
    quality = face_quality(picture(), faces(FRONTAL), [0.1], norm_range=(5, 20))
    assert quality[0] > MIN_QUALITY


def test_given_crops_are_used() -> None:
    flat = np.full((1, 112, 112, 3), 90, np.uint8)
    assert parts_of(picture(), FRONTAL, crops=flat).sharpness == 0


def test_no_faces() -> None:
    assert face_quality(picture(), Detections.empty()).shape == (0,)


def test_every_part_is_in_0_1_for_any_landmarks() -> None:
    points = np.random.default_rng(0).normal(100, 60, (200, 5, 2))
    crops = np.random.default_rng(1).integers(0, 256, (200, 112, 112, 3), dtype=np.uint8)
    parts = quality_parts(picture(), faces(points), np.ones(200), crops=crops, norm_range=(0, 2))
    for value in vars(parts).values():
        assert value.shape == (200,)
        assert value.dtype == np.float32
        assert np.isfinite(value).all()
        assert ((value >= 0) & (value <= 1)).all()


@pytest.mark.parametrize(
    ("norms", "options"),
    [
        ([1.0, 2.0], {}),
        ([float("nan")], {}),
        ([-1.0], {}),
        ([1.0], {"norm_range": (5, 5)}),
        (None, {"crops": np.zeros((2, 112, 112, 3), np.uint8)}),
        (None, {"crops": np.zeros((1, 64, 64, 3), np.uint8)}),
    ],
)
def test_bad_arguments(norms: object, options: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        face_quality(picture(), faces(FRONTAL), norms, **options)  # type: ignore[arg-type]
