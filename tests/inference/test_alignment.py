"""The similarity transform and the crops it cuts."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflow_ml.inference.alignment import (
    ARCFACE_TEMPLATE,
    align_faces,
    alignable,
    estimate_similarity,
)


def similarity(angle: float, scale: float, x: float, y: float) -> np.ndarray:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def textured(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(1).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@settings(max_examples=100, deadline=None)
@given(
    st.floats(-math.pi, math.pi),
    st.floats(0.01, 100),
    st.floats(-1e4, 1e4),
    st.floats(-1e4, 1e4),
)
def test_recovers_any_similarity(angle: float, scale: float, x: float, y: float) -> None:
    matrix = similarity(angle, scale, x, y)
    estimate = estimate_similarity(ARCFACE_TEMPLATE, apply(matrix, ARCFACE_TEMPLATE))
    np.testing.assert_allclose(estimate, matrix, rtol=1e-6, atol=1e-6 * (1 + abs(x) + abs(y)))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_other_similarity_fits_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    src = ARCFACE_TEMPLATE + rng.normal(0, 5, (5, 2))
    best = estimate_similarity(src, ARCFACE_TEMPLATE)

    def cost(matrix: np.ndarray) -> float:
        return float(((apply(matrix, src) - ARCFACE_TEMPLATE) ** 2).sum())

    a, b, x, y = best[0, 0], best[1, 0], best[0, 2], best[1, 2]
    for _ in range(20):
        da, db, dx, dy = rng.normal(0, [1e-3, 1e-3, 0.1, 0.1])
        other = np.array([[a + da, -(b + db), x + dx], [b + db, a + da, y + dy]])
        assert cost(best) <= cost(other) + 1e-9


def test_a_face_at_the_template_is_cut_unchanged() -> None:
    image = textured(112, 112)
    crop = align_faces(image, ARCFACE_TEMPLATE[None].astype(np.float32))
    assert crop.shape == (1, 112, 112, 3)
    assert crop.dtype == np.uint8
    assert np.abs(crop[0].astype(int) - image).max() <= 1


def test_small_faces_are_enlarged_smoothly() -> None:
    """Bicubic interpolation keeps more of what a photo shows than bilinear does."""
    noise = np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)
    large = cv2.resize(noise, (112, 112), interpolation=cv2.INTER_CUBIC)
    half = np.asarray(cv2.resize(large, (56, 56), interpolation=cv2.INTER_AREA), np.uint8)
    crop = align_faces(half, ((ARCFACE_TEMPLATE + 0.5) / 2 - 0.5)[None])[0]
    linear = cv2.resize(half, (112, 112), interpolation=cv2.INTER_LINEAR)
    inner = np.s_[4:-4, 4:-4]

    def error(image: np.ndarray) -> float:
        return float(np.square(image[inner].astype(float) - large[inner]).mean())

    assert error(crop) < 0.5 * error(linear)


@pytest.mark.parametrize("size", [64, 112, 224])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0, 9.0])
@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi])
def test_landmarks_land_on_the_template(size: int, scale: float, angle: float) -> None:
    landmarks = apply(similarity(angle, scale, 0, 0), ARCFACE_TEMPLATE)
    landmarks += [750.3, 649.6] - landmarks.mean(axis=0)
    image = np.zeros((1300, 1500, 3), np.uint8)
    for channel, point in zip((0, 1, 2), landmarks[[0, 1, 2]], strict=True):
        centre = tuple(np.round(point * 16).astype(int).tolist())
        radius = round(5 * scale * 16)
        colour = [0, 0, 0]
        colour[channel] = 255
        cv2.circle(image, centre, radius, colour, -1, cv2.LINE_AA, 4)
    crop = align_faces(image, landmarks[None], size=size)[0].astype(float)
    for channel, point in zip((0, 1, 2), ARCFACE_TEMPLATE[[0, 1, 2]], strict=True):
        weights = crop[..., channel]
        y, x = (np.indices(weights.shape) * weights).sum(axis=(1, 2)) / weights.sum()
        expected = (point + 0.5) * size / 112 - 0.5
        assert np.abs(np.array([x, y]) - expected).max() < 0.35


def test_a_big_face_is_averaged_not_sampled() -> None:
    # A checkerboard of single pixels is grey from afar; sampling it would give black and white.
    board = (np.indices((2000, 2000)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(board[..., None], 3, axis=2)
    crop = align_faces(image, (ARCFACE_TEMPLATE * 15 + 100)[None])[0]
    assert np.abs(crop[10:100, 10:100].astype(int) - 127).max() < 12


def test_outside_the_photo_is_black() -> None:
    image = np.full((50, 50, 3), 200, np.uint8)
    far = align_faces(image, (ARCFACE_TEMPLATE + 5000)[None])
    assert far.max() == 0
    half = align_faces(image, (ARCFACE_TEMPLATE - [56, 0])[None])[0]
    assert (half[:40, :50] == 0).all()
    assert (half[:40, 60:100] == 200).all()


def test_photos_wider_than_opencv_warps() -> None:
    image = np.full((120, 40_000, 3), 9, np.uint8)
    landmarks = ARCFACE_TEMPLATE + [39_000, 0]
    assert (align_faces(image, landmarks[None])[0] == 9).all()


def test_no_faces() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    assert align_faces(image, np.zeros((0, 5, 2), np.float32)).shape == (0, 112, 112, 3)


def degenerate() -> list[np.ndarray]:
    return [
        np.zeros((5, 2)),
        np.full((5, 2), 1e30),
        ARCFACE_TEMPLATE * 1e-3,
        ARCFACE_TEMPLATE * [-1, 1],  # left and right exchanged
    ]


def test_degenerate_landmarks_are_refused_and_flagged() -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    faces = np.stack([ARCFACE_TEMPLATE, *degenerate()])
    assert alignable(faces).tolist() == [True, False, False, False, False]
    for bad in degenerate():
        with pytest.raises(ValueError, match="degenerate landmarks for face 1"):
            align_faces(image, np.stack([ARCFACE_TEMPLATE, bad]))
    with pytest.raises(ValueError, match="degenerate"):
        estimate_similarity(np.zeros((5, 2)), ARCFACE_TEMPLATE)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 6), st.booleans())
def test_any_landmarks_give_crops_or_value_error(seed: int, power: float, clip: bool) -> None:
    rng = np.random.default_rng(seed)
    landmarks = rng.normal(0, 10**power, (3, 5, 2))
    if clip:
        landmarks = landmarks.clip(0, 40).round()
    image = textured(48, 64)
    mask = alignable(landmarks)
    assert align_faces(image, landmarks[mask]).shape == (mask.sum(), 112, 112, 3)
    if not mask.all():
        with pytest.raises(ValueError, match="degenerate"):
            align_faces(image, landmarks)


@pytest.mark.parametrize(
    ("image", "landmarks"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((0, 5, 2))),
        (np.zeros((4, 4, 3), np.float32), np.zeros((0, 5, 2))),
        (np.zeros((0, 4, 3), np.uint8), np.zeros((0, 5, 2))),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((5, 2))),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 10))),
        (np.zeros((4, 4, 3), np.uint8), np.full((1, 5, 2), np.nan)),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 5, 2), complex)),
        (np.zeros((4, 4, 3), np.uint8), [[1, 2]]),
        (None, np.zeros((0, 5, 2))),
    ],
)
def test_bad_arguments_say_what_was_expected(image: object, landmarks: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        align_faces(image, landmarks)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -3, 1.5, True])
def test_bad_size(size: object) -> None:
    with pytest.raises(ValueError, match="size"):
        align_faces(np.zeros((4, 4, 3), np.uint8), np.zeros((0, 5, 2)), size=size)  # type: ignore[arg-type]
