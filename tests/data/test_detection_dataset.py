"""What training sees: augmented, reproducible, with ignore regions and unknown landmarks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from faceflow_ml.data.detection_cache import open_detection_cache
from faceflow_ml.data.detection_dataset import DetectionDataset, Targets, collate
from faceflow_ml.data.detection_transforms import (
    PixelAugment,
    RandomView,
    TrainTransform,
    ValTransform,
    ViewOptions,
)
from faceflow_ml.data.mosaic import Mosaic
from faceflow_ml.data.parquet import read_detection_shards
from faceflow_ml.data.records import DetectionSample, Faces, Photo

BRIGHT = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]], np.uint8)


def face_photo(
    colour: int = 0, width: int = 160, height: int = 120, *, ignore: bool = False
) -> Photo:
    """A grey photo whose one face is a rectangle of a bright colour."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[30:90, 50:100] = BRIGHT[colour]
    points = np.array([[62, 50], [88, 50], [75, 62], [64, 76], [86, 76]], np.float32)
    faces = Faces(np.array([[50, 30, 100, 90]], np.float32), points[None], np.array([ignore]))
    return Photo(image, faces)


def as_sample(photo: Photo, name: str = "photo") -> DetectionSample:
    encoded = cv2.imencode(".png", photo.image[..., ::-1])[1].tobytes()
    height, width = photo.image.shape[:2]
    faces = photo.faces
    return DetectionSample(encoded, faces.boxes, faces.landmarks, faces.ignore, name, width, height)


@pytest.fixture
def samples() -> list[DetectionSample]:
    return [as_sample(face_photo(i), f"{i}.png") for i in range(4)]


def bounds_of(mask: np.ndarray) -> np.ndarray:
    ys, xs = np.nonzero(mask)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


def test_random_views_keep_boxes_on_faces_and_left_on_the_left() -> None:
    view = RandomView(ViewOptions(rotate=0))
    seen = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        out = view(face_photo(), (96, 64), rng)
        assert out.image.shape == (64, 96, 3)
        red = (out.image[..., 0] > 150) & (out.image[..., 1:] < 60).all(axis=2)
        for box, points, ignore in zip(
            out.faces.boxes, out.faces.landmarks, out.faces.ignore, strict=True
        ):
            assert (box >= 0).all()
            assert (box <= (96, 64, 96, 64)).all()
            if ignore:
                continue
            np.testing.assert_allclose(bounds_of(red), box, atol=2.5)
            seen += 1
            if np.isfinite(points).all():
                assert points[0, 0] < points[2, 0] < points[1, 0]
                assert points[3, 0] < points[4, 0]
    assert seen > 50


def test_faces_appear_at_many_scales() -> None:
    transform = TrainTransform(128, pixel_strength=0)
    sides = []
    for seed in range(150):
        faces = transform(face_photo(), np.random.default_rng(seed)).faces
        sides += (faces.boxes[~faces.ignore, 3] - faces.boxes[~faces.ignore, 1]).tolist()
    assert min(sides) < 32  # a quarter of the view
    assert max(sides) > 96


def test_pixels_change_and_faces_do_not() -> None:
    photo = face_photo()
    before = photo.image.copy()
    changed = 0
    for seed in range(30):
        out = PixelAugment()(photo, np.random.default_rng(seed))
        assert out.image.dtype == np.uint8
        assert out.image.shape == photo.image.shape
        np.testing.assert_array_equal(out.faces.boxes, photo.faces.boxes)
        changed += not np.array_equal(out.image, before)
    assert changed > 15
    np.testing.assert_array_equal(photo.image, before)
    same = PixelAugment(0)(photo, np.random.default_rng(0))
    np.testing.assert_array_equal(same.image, before)


def test_occlusion_covers_counted_faces_only() -> None:
    augment = PixelAugment(0)
    augment._occlusion_probability = 1.0
    grey = face_photo().image[0, 0]
    covered = 0
    for seed in range(20):
        photo = face_photo()
        out = augment(photo, np.random.default_rng(seed)).image
        outside = np.ones(out.shape[:2], bool)
        outside[30:90, 50:100] = False
        assert (out[outside] == grey).all()
        covered += not np.array_equal(out, photo.image)
        np.testing.assert_array_equal(augment(photo, np.random.default_rng(seed)).image, out)
        ignored = face_photo(ignore=True)
        assert np.array_equal(augment(ignored, np.random.default_rng(seed)).image, ignored.image)
    assert covered > 5


def test_mosaic_puts_each_photo_and_its_face_in_its_quadrant() -> None:
    options = ViewOptions(crop=(1, 1), aimed=0, flip=0, rotate=0, enlarge=10)
    photos = [face_photo(i) for i in range(4)]
    counted = 0
    for seed in range(10):
        out = Mosaic(160, view=options)(photos, np.random.default_rng(seed))
        assert out.image.shape == (160, 160, 3)
        centres = (out.faces.boxes[:, :2] + out.faces.boxes[:, 2:]) / 2
        noses = out.faces.landmarks[:, 2]
        for box, (x, y), nose, ignore in zip(
            out.faces.boxes, centres, noses, out.faces.ignore, strict=True
        ):
            if ignore:
                continue
            assert np.isnan(nose).any() or ((nose > box[:2]) & (nose < box[2:])).all()
            pixel = out.image[int(y), int(x)].astype(int)
            which = int(np.abs(BRIGHT.astype(int) - pixel).sum(axis=1).argmin())
            mask = (np.abs(out.image.astype(int) - BRIGHT[which].astype(int)) < 80).all(axis=2)
            np.testing.assert_allclose(bounds_of(mask), box, atol=3)
            assert (x > 80) == (which in (1, 3)) or 48 <= x <= 112
            counted += 1
    assert counted > 20


def test_mosaic_takes_four() -> None:
    with pytest.raises(ValueError, match="4 photos, got 1"):
        Mosaic(64)([face_photo()], np.random.default_rng(0))


def test_ignore_and_unknown_landmarks_reach_the_targets(samples: list[DetectionSample]) -> None:
    unknown = Faces(
        np.array([[50, 30, 100, 90], [0, 0, 40, 40]], np.float32),
        np.concatenate([face_photo().faces.landmarks, np.full((1, 5, 2), np.nan, np.float32)]),
        np.array([True, False]),
    )
    unknown.landmarks[0, 4] = np.nan
    sample = as_sample(Photo(face_photo().image, unknown))
    image, targets = DetectionDataset([sample], 160, train=False)[0]
    assert image.shape == (3, 160, 160)
    assert image.dtype == torch.uint8
    assert targets.ignore.tolist() == [True, False]
    assert targets.landmark_valid.tolist() == [[True] * 4 + [False], [False] * 5]
    assert torch.isfinite(targets.landmarks).all()
    assert (targets.landmarks[~targets.landmark_valid] == 0).all()
    images, batch = collate([(image, targets), (image, targets)])
    assert images.shape == (2, 3, 160, 160)
    assert [len(t) for t in batch] == [2, 2]
    assert isinstance(batch[0].to("cpu"), Targets)


def test_validation_is_the_whole_photo_whatever_the_epoch(samples: list[DetectionSample]) -> None:
    dataset = DetectionDataset(samples, 96, train=False, mosaic_probability=1)
    first, targets = dataset[1]
    dataset.set_epoch(3)
    again, _ = dataset[1]
    assert torch.equal(first, again)
    np.testing.assert_allclose(targets.boxes.numpy(), [[30, 18, 60, 54]], atol=1e-4)
    tiny = Photo(
        face_photo().image,
        Faces(
            np.array([[0, 0, 3, 3]], np.float32),
            np.zeros((1, 5, 2), np.float32),
            np.zeros(1, np.bool_),
        ),
    )
    assert ValTransform(96)(tiny).faces.ignore.tolist() == [False]


def test_training_is_a_function_of_seed_epoch_and_index(samples: list[DetectionSample]) -> None:
    def take(seed: int, epoch: int, order: list[int]) -> dict[int, torch.Tensor]:
        dataset = DetectionDataset(samples, 64, True, 0.5, seed)
        dataset.set_epoch(epoch)
        return {i: dataset[i][0] for i in order}

    ahead, back = take(1, 2, [0, 1, 2, 3]), take(1, 2, [3, 1, 0, 2])
    assert all(torch.equal(ahead[i], back[i]) for i in ahead)
    assert not torch.equal(ahead[0], take(1, 3, [0])[0])
    by_pair = DetectionDataset(samples, 64, True, 0.5, 1)[2, 3][0]
    assert torch.equal(by_pair, ahead[3])
    assert not torch.equal(ahead[0], take(2, 2, [0])[0])


def test_workers_that_live_on_follow_the_epoch(
    samples: list[DetectionSample], tmp_path: Path
) -> None:
    cache = open_detection_cache(samples, tmp_path)
    dataset = DetectionDataset(cache, 64, True, 0.5, 7)
    loader = DataLoader(
        dataset, batch_size=2, num_workers=1, collate_fn=collate, persistent_workers=True
    )
    for epoch in (0, 5):
        dataset.set_epoch(epoch)
        got = torch.cat([images for images, _ in loader])
        expected = torch.stack([dataset[i][0] for i in range(4)])
        assert torch.equal(got, expected)


def test_extra_sources_follow_the_cache(samples: list[DetectionSample]) -> None:
    dataset = DetectionDataset(samples[:1], 64, True, extra_sources=[samples[1:3], samples[3:]])
    assert len(dataset) == 4
    for i in range(4):
        assert (dataset.photo(i).image[60, 75] == BRIGHT[i]).all()
    with pytest.raises(IndexError, match="photo 4 of 4"):
        dataset.photo(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 100}, "multiple of 32"),
        ({"size": 64, "mosaic_probability": 1.5}, "mosaic_probability"),
        ({"size": 64, "pixel_strength": -1}, "strength"),
    ],
)
def test_bad_options_are_refused(
    samples: list[DetectionSample], arguments: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        DetectionDataset(samples, train=True, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no photos"):
        DetectionDataset([], 64, train=True)


def test_real_photos_go_through(shared_data: Path, tmp_path: Path) -> None:
    samples = read_detection_shards(shared_data / "detection", "val")[:24]
    cache = open_detection_cache(samples, tmp_path)
    dataset = DetectionDataset(cache, 320, True, 0.3)
    counted = 0
    for i in range(len(dataset)):
        image, targets = dataset[i]
        assert image.shape == (3, 320, 320)
        assert (targets.boxes[:, 2:] > targets.boxes[:, :2]).all()
        assert (targets.boxes >= 0).all()
        assert (targets.boxes <= 320).all()
        counted += int((~targets.ignore).sum())
    assert counted > 24
