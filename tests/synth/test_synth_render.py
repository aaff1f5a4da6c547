"""Rendering: exact landmarks and boxes, pose signs, symmetry, determinism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faceflow_ml.data.synth.faces import (
    TEMPLATE,
    aligned_faces,
    render_aligned_face,
    similarity,
)
from faceflow_ml.data.synth.people import Appearance, Person, sample_person
from faceflow_ml.data.synth.render import RenderedFace, render_face
from faceflow_ml.data.synth.scene import render_photo

PLAIN = Appearance(distance=1200.0)
SIZE = 224


@pytest.fixture(scope="module")
def person() -> Person:
    """Somebody without hair, beard or glasses over the landmarks."""
    plain = replace(sample_person(11), hair_style="bald", beard="none", glasses="none")
    return replace(plain, skin=(0.85, 0.65, 0.53), fringe=False)


def _centroid_of_change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    change = np.abs(a.astype(np.float64) - b.astype(np.float64)).sum(axis=2)
    change[change < 0.25 * change.max()] = 0
    rows, columns = np.mgrid[: a.shape[0], : a.shape[1]] + 0.5
    return np.array([(columns * change).sum(), (rows * change).sum()]) / change.sum()


@pytest.mark.parametrize("pose", [(0, 0, 0), (25, 5, -12), (-35, -8, 10)])
def test_landmarks_lie_on_the_painted_features(
    person: Person, pose: tuple[float, float, float]
) -> None:
    yaw, pitch, roll = pose
    at = replace(PLAIN, yaw=yaw, pitch=pitch, roll=roll)
    face = render_face(person, at, SIZE)
    shut = render_face(person, replace(at, eyes_open=0.0), SIZE)
    left, right = face.landmarks[:2]
    middle = int((left[0] + right[0]) / 2)
    reach = float(np.linalg.norm(right - left))
    for eye, part in ((left, slice(0, middle)), (right, slice(middle, SIZE))):
        found = _centroid_of_change(face.image[:, part], shut.image[:, part])
        found[0] += part.start
        assert np.linalg.norm(found - eye) < 0.10 * reach
    opened = render_face(person, replace(at, mouth_open=9.0), SIZE)
    top = int(face.landmarks[2, 1]) + 4  # below the nose: the jaw moves nothing above
    mouth = _centroid_of_change(
        face.image[top : int(opened.landmarks[3:, 1].max()) + 8],
        opened.image[top : int(opened.landmarks[3:, 1].max()) + 8],
    )
    mouth[1] += top
    assert np.linalg.norm(mouth - opened.landmarks[3:].mean(axis=0)) < 0.2 * reach


def test_a_frontal_face_has_the_proportions_of_the_arcface_template() -> None:
    for seed in range(6):
        face = render_face(sample_person(seed), PLAIN, 64)
        fit = similarity(face.landmarks, TEMPLATE)
        placed = face.landmarks @ fit[:, :2].T + fit[:, 2]
        assert np.abs(placed - TEMPLATE).max() < 3.5
        x1, y1 = fit[:, :2] @ face.box[:2] + fit[:, 2]
        x2, y2 = fit[:, :2] @ face.box[2:] + fit[:, 2]
        # Boxes of detection sets, in the same frame: about (17, 11) to (94, 116).
        assert abs(x1 - 17) < 7
        assert abs(y1 - 11) < 7
        assert abs(x2 - 94) < 7
        assert abs(y2 - 116) < 8


def _truth(person: Person, **pose: float) -> RenderedFace:
    return render_face(person, replace(PLAIN, **pose), 96)


def test_pose_signs(person: Person) -> None:
    front = _truth(person).landmarks
    nose_offset = lambda five: five[2, 0] - five[:2, 0].mean()  # noqa: E731
    assert abs(nose_offset(front)) < 0.2
    assert nose_offset(_truth(person, yaw=30).landmarks) > 3
    assert nose_offset(_truth(person, yaw=-30).landmarks) < -3
    drop = lambda five: five[2, 1] - five[:2, 1].mean()  # noqa: E731
    assert drop(_truth(person, pitch=15).landmarks) < drop(front) - 1
    tilted = _truth(person, roll=20).landmarks
    assert tilted[1, 1] > tilted[0, 1] + 3


@pytest.mark.parametrize("yaw", [12.0, 33.0, 55.0])
def test_mirrored_poses_give_mirrored_truth(person: Person, yaw: float) -> None:
    size = 96
    one = _truth(person, yaw=yaw, pitch=6, roll=9)
    other = _truth(person, yaw=-yaw, pitch=6, roll=-9)
    flipped = other.landmarks[[1, 0, 2, 4, 3]] * (-1, 1) + (size, 0)
    np.testing.assert_allclose(one.landmarks, flipped, atol=0.05)
    box = np.array([size - other.box[2], other.box[1], size - other.box[0], other.box[3]])
    np.testing.assert_allclose(one.box, box, atol=0.6)


def test_order_is_as_seen_in_the_image_at_every_pose(person: Person) -> None:
    for yaw in (-55, -20, 0, 20, 55):
        for roll in (-25, 25):
            five = _truth(person, yaw=yaw, roll=roll).landmarks
            assert five[0, 0] < five[1, 0]
            assert five[3, 0] < five[4, 0]


def test_the_box_holds_the_landmarks_and_the_person_fills_it(person: Person) -> None:
    for yaw in (-50, 0, 40):
        face = _truth(person, yaw=yaw)
        x1, y1, x2, y2 = face.box
        assert np.all(face.landmarks >= (x1, y1))
        assert np.all(face.landmarks <= (x2, y2))
        inside = face.alpha[int(y1) : int(y2), int(x1) : int(x2)]
        assert (inside > 128).mean() > 0.85


def test_photos_are_deterministic_and_labelled() -> None:
    people = [sample_person(k, f"p{k}") for k in range(3)]
    photos = [render_photo(people, np.random.default_rng(8), (400, 300)) for _ in range(2)]
    assert photos[0].image.tobytes() == photos[1].image.tobytes()
    photo = photos[0]
    assert photo.image.shape == (300, 400, 3)
    assert photo.image.dtype == np.uint8
    assert photo.boxes.dtype == photo.landmarks.dtype == np.float32
    assert set(photo.identities) == {"p0", "p1", "p2"}
    assert photo.boxes.shape == (3, 4)
    assert photo.landmarks.shape == (3, 5, 2)
    for box, five in zip(photo.boxes, photo.landmarks, strict=True):
        assert 0 <= box[0] < box[2] <= 400
        assert 0 <= box[1] < box[3] <= 300
        assert np.all(five >= box[:2] - 1)
        assert np.all(five <= box[2:] + 1)
    assert np.all(np.diff(photo.boxes[:, 0]) >= 0)


def test_a_photo_without_people_has_no_labels() -> None:
    photo = render_photo([], np.random.default_rng(1), (200, 160))
    assert photo.boxes.shape == (0, 4)
    assert photo.landmarks.shape == (0, 5, 2)
    assert photo.identities == ()
    with pytest.raises(ValueError, match="64 x 64"):
        render_photo([], np.random.default_rng(1), (20, 160))


def test_aligned_faces_have_the_eyes_on_the_template(person: Person) -> None:
    at = replace(PLAIN, yaw=15, roll=-14, pitch=4)
    eyes = []
    for state in (at, replace(at, eyes_open=0.0)):
        crops = [
            render_aligned_face(person, np.random.default_rng(k), 112, state, 0.0).astype(float)
            for k in range(6)
        ]
        eyes.append(np.mean(crops, axis=0))
    for index, part in ((0, slice(0, 56)), (1, slice(56, 112))):
        found = _centroid_of_change(eyes[0][:, part], eyes[1][:, part])
        found[0] += part.start
        assert np.linalg.norm(found - TEMPLATE[index]) < 4.5


def test_aligned_faces_stream_labels_and_repeat() -> None:
    first = list(aligned_faces(2, 2, seed=3, size=48))
    again = list(aligned_faces(2, 2, seed=3, size=48))
    assert [label for _, label in first] == [0, 0, 1, 1]
    assert all(a[0].tobytes() == b[0].tobytes() for a, b in zip(first, again, strict=True))
    assert first[0][0].shape == (48, 48, 3)
    assert first[0][0].tobytes() != first[1][0].tobytes()
    with pytest.raises(ValueError, match="identities"):
        next(aligned_faces(0, 1))
    with pytest.raises(ValueError, match="size"):
        render_aligned_face(sample_person(0), np.random.default_rng(0), 8)


def test_similarity_recovers_a_known_transform() -> None:
    angle, scale = 0.3, 1.7
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = TEMPLATE @ matrix.T + (3, -5)
    fit = similarity(TEMPLATE, target.astype(np.float32))
    np.testing.assert_allclose(fit[:, :2], matrix, atol=1e-4)
    np.testing.assert_allclose(fit[:, 2], (3, -5), atol=1e-2)


@pytest.mark.parametrize(
    "worn",
    [
        {"glasses": "round"},
        {"sunglasses": True},
        {"headwear": "cap"},
        {"headwear": "beanie"},
        {"scarf": True},
        {"mask": True},
    ],
)
def test_accessories_change_the_picture_and_not_the_truth(
    person: Person, worn: dict[str, object]
) -> None:
    bare = render_face(person, PLAIN, 96)
    dressed = render_face(person, replace(PLAIN, **worn), 96)
    assert (np.abs(bare.image.astype(int) - dressed.image.astype(int)).max(axis=2) > 30).sum() > 40
    np.testing.assert_array_equal(bare.landmarks, dressed.landmarks)
    np.testing.assert_array_equal(bare.box, dressed.box)


@pytest.mark.parametrize("style", ["afro", "long", "ponytail", "bun", "quiff", "curly"])
def test_hair_styles_cover_the_skull(person: Person, style: str) -> None:
    bald = render_face(person, PLAIN, 96)
    haired = render_face(replace(person, hair_style=style, hair_color=(0.1, 0.3, 0.9)), PLAIN, 96)
    top = slice(0, int(bald.landmarks[0, 1]) - 18)
    changed = np.abs(bald.image[top].astype(int) - haired.image[top].astype(int)).max(axis=2) > 25
    assert changed.mean() > 0.05
