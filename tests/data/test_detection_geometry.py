"""Pixels, boxes and landmarks go by one map."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflow_ml.data.detection_geometry import (
    KeepRule,
    Window,
    crop_resize,
    flip,
    keep_faces,
    letterbox,
    rotate,
    shrink,
)
from faceflow_ml.data.records import Faces, Photo


def make_photo(width: int, height: int, *, n: int = 2, seed: int = 0) -> Photo:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    start = rng.uniform(0, 0.5, (n, 2)) * (width, height)
    end = start + rng.uniform(0.1, 0.5, (n, 2)) * (width, height)
    landmarks = start[:, None] + rng.uniform(0, 1, (n, 5, 2)) * (end - start)[:, None]
    landmarks[0, 2] = np.nan
    return Photo(
        image,
        Faces(
            np.concatenate([start, end], 1).astype(np.float32),
            landmarks.astype(np.float32),
            np.zeros(n, np.bool_),
        ),
    )


def spot_photo(x: int, y: int, width: int, height: int) -> Photo:
    """A black photo with a bright 8x8 square centred on (x, y), and a landmark there."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y - 4 : y + 4, x - 4 : x + 4] = 255
    landmarks = np.full((1, 5, 2), (x, y), np.float32)
    box = np.array([[x - 4, y - 4, x + 4, y + 4]], np.float32)
    return Photo(image, Faces(box, landmarks, np.zeros(1, np.bool_)))


def centroid(image: np.ndarray) -> np.ndarray:
    """Centre of brightness in continuous pixels."""
    weight = image[..., 0].astype(float)
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(xs * weight).sum(), (ys * weight).sum()]) / weight.sum()


@settings(deadline=None, max_examples=60)
@given(
    left=st.integers(-60, 20),
    top=st.integers(-60, 20),
    side=st.integers(122, 200),
    size=st.integers(48, 160),
    mirrored=st.booleans(),
)
def test_a_landmark_stays_on_its_pixels_under_crop_and_flip(
    left: int, top: int, side: int, size: int, mirrored: bool
) -> None:
    photo = spot_photo(50, 40, 120, 100)
    view = crop_resize(photo, Window(left, top, side, side), (size, size))
    if mirrored:
        view = flip(view)
    assert view.image.shape == (size, size, 3)
    # Half a pixel: what interpolation at a fractional scale moves a small spot's centre by.
    np.testing.assert_allclose(centroid(view.image), view.faces.landmarks[0, 0], atol=0.5)
    box = view.faces.boxes[0]
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, view.faces.landmarks[0, 0], atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(degrees=st.floats(-180, 180), x=st.integers(40, 60), y=st.integers(40, 60))
def test_a_landmark_stays_on_its_pixels_under_rotation(degrees: float, x: int, y: int) -> None:
    view = rotate(spot_photo(x, y, 100, 100), degrees)
    np.testing.assert_allclose(centroid(view.image), view.faces.landmarks[0, 0], atol=0.25)


def test_a_positive_rotation_is_anticlockwise_and_swaps_the_sides_of_a_box() -> None:
    photo = spot_photo(70, 50, 100, 100)
    wide = Faces(
        np.array([[60, 45, 80, 55]], np.float32), photo.faces.landmarks, photo.faces.ignore
    )
    view = rotate(Photo(photo.image, wide), 90)
    np.testing.assert_allclose(view.faces.landmarks[0, 0], [50, 30], atol=1e-4)
    np.testing.assert_allclose(view.faces.boxes[0], [45, 20, 55, 40], atol=1e-3)


@settings(deadline=None, max_examples=25)
@given(width=st.integers(8, 60), height=st.integers(8, 60), seed=st.integers(0, 1000))
def test_flip_is_its_own_inverse_and_swaps_left_and_right(
    width: int, height: int, seed: int
) -> None:
    photo = make_photo(width, height, seed=seed)
    once = flip(photo)
    points, mirrored = photo.faces.landmarks, once.faces.landmarks
    # The left eye is the right eye's mirror image, and the left mouth corner the right one's.
    for ours, theirs in ((0, 1), (1, 0), (2, 2), (3, 4), (4, 3)):
        np.testing.assert_allclose(mirrored[:, ours, 0], width - points[:, theirs, 0], atol=1e-4)
        np.testing.assert_array_equal(mirrored[:, ours, 1], points[:, theirs, 1])
    assert (once.faces.boxes[:, 2] > once.faces.boxes[:, 0]).all()
    twice = flip(once)
    np.testing.assert_array_equal(twice.image, photo.image)
    np.testing.assert_allclose(twice.faces.boxes, photo.faces.boxes, atol=1e-4)
    np.testing.assert_allclose(twice.faces.landmarks, points, atol=1e-4)


def test_crop_beyond_the_photo_is_filled_and_the_photo_is_unscaled_inside() -> None:
    photo = make_photo(30, 20)
    view = crop_resize(photo, Window(-5, -10, 40, 40), (40, 40), fill=(1, 2, 3))
    np.testing.assert_array_equal(view.image[10:30, 5:35], photo.image)
    assert (view.image[:10] == (1, 2, 3)).all()
    assert (view.image[30:] == (1, 2, 3)).all()
    assert (view.image[:, :5] == (1, 2, 3)).all()


def test_a_window_that_misses_the_photo_has_no_faces() -> None:
    view = crop_resize(make_photo(30, 20), Window(100, 0, 10, 10), (32, 16), fill=(9, 9, 9))
    assert view.image.shape == (16, 32, 3)
    assert (view.image == 9).all()
    assert len(view.faces) == 0


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        crop_resize(make_photo(30, 20), Window(0, 0, 0, 10), (8, 8))


def test_letterbox_keeps_the_shape_of_things() -> None:
    view = letterbox(make_photo(200, 100), 64)
    assert view.image[:32].any()
    assert not view.image[32:].any()
    np.testing.assert_allclose(view.faces.boxes, make_photo(200, 100).faces.boxes * 0.32, rtol=1e-5)


def test_shrink_only_shrinks() -> None:
    photo = make_photo(200, 100)
    assert shrink(photo, 200) is photo
    small = shrink(photo, 50)
    assert small.image.shape == (25, 50, 3)
    np.testing.assert_allclose(small.faces.boxes, photo.faces.boxes / 4, rtol=1e-5)


def test_keep_faces_by_centre_visibility_and_size() -> None:
    boxes = np.array(
        [
            [10, 10, 30, 30],  # whole
            [-8, 10, 12, 30],  # 60 % visible, centre inside
            [-12, 10, 8, 30],  # 40 % visible, centre outside
            [-30, 10, 1, 41],  # a trace
            [40, 40, 44, 44],  # too small to count
            [200, 200, 220, 220],  # elsewhere
        ],
        np.float32,
    )
    landmarks = np.repeat(boxes[:, None, :2], 5, axis=1)
    faces = Faces(boxes, landmarks, np.zeros(6, np.bool_))
    kept = keep_faces(faces, (100, 100), KeepRule(visible=0.5, side=6, trace=0.05))
    np.testing.assert_array_equal(
        kept.boxes, [[10, 10, 30, 30], [0, 10, 12, 30], [0, 10, 8, 30], [40, 40, 44, 44]]
    )
    assert kept.ignore.tolist() == [False, False, True, True]
    assert np.isnan(kept.landmarks[1]).all()
    np.testing.assert_array_equal(kept.landmarks[0], landmarks[0])


def test_an_ignored_face_is_never_promoted() -> None:
    faces = Faces(
        np.array([[10, 10, 30, 30]], np.float32),
        np.zeros((1, 5, 2), np.float32),
        np.ones(1, np.bool_),
    )
    assert keep_faces(faces, (100, 100)).ignore.tolist() == [True]


def test_crop_agrees_with_opencv_about_where_pixels_go() -> None:
    photo = make_photo(64, 64)
    view = crop_resize(photo, Window(0, 0, 64, 64), (32, 32), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(view.image, cv2.resize(photo.image, (32, 32)))
