"""Views that refiners train on: each says the truth about its box, and repeats by its seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from faceflow_ml.data.box_views import BoxViewDataset
from faceflow_ml.data.candidates import (
    NO_FACE,
    UNSURE,
    Candidates,
    find_candidates,
    match_candidates,
)
from faceflow_ml.data.detection_cache import DetectionCache, open_detection_cache
from faceflow_ml.data.detection_sources import read_detections
from faceflow_ml.data.records import Faces
from faceflow_ml.data.synthetic_shards import synthetic_photo_shard
from faceflow_ml.inference.detector import FaceDetector


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> DetectionCache:
    root = tmp_path_factory.mktemp("views")
    return open_detection_cache(read_detections(synthetic_photo_shard(4, 3, root), ""), root)


def made_up(cache: DetectionCache) -> Candidates:
    """Of every photo a candidate in its corner, and one on each face."""
    places, boxes = [], []
    for number, photo in enumerate(cache):
        for box in [np.array([0, 0, 9, 9], np.float32), *photo.faces.boxes]:
            places.append(number)
            boxes.append(box)
    scores = np.full(len(boxes), 0.5, np.float32)
    return Candidates(np.array(places), np.array(boxes, np.float32), scores)


def faces(*boxes: list[float], ignore: tuple[bool, ...]) -> Faces:
    return Faces(
        np.array(boxes, np.float32),
        np.full((len(boxes), 5, 2), np.nan, np.float32),
        np.array(ignore),
    )


def test_candidates_are_faces_nothing_or_unsure() -> None:
    truth = faces([0, 0, 10, 10], [50, 50, 90, 90], ignore=(False, True))
    boxes = np.array(
        [
            [1, 0, 11, 10],  # the face
            [6, 0, 16, 10],  # a quarter of it: unsure
            [30, 0, 40, 10],  # nothing
            [55, 55, 65, 65],  # within an ignored region
            [50, 50, 88, 90],  # an ignored face
        ],
        np.float32,
    )
    assert match_candidates(boxes, truth).tolist() == [0, UNSURE, NO_FACE, UNSURE, UNSURE]
    assert match_candidates(boxes[:2], Faces.empty()).tolist() == [NO_FACE, NO_FACE]
    assert match_candidates(boxes[:0], truth).tolist() == []


def test_views_say_whether_there_is_a_face(photos: DetectionCache) -> None:
    dataset = BoxViewDataset([(photos, made_up(photos))], seed=1)
    count = sum(len(photo.faces) for photo in photos)
    assert len(dataset) == 2 * count + 2 * len(photos)  # faces, found, false, anywhere
    views, is_face, changes = dataset.__getitems__([(0, i) for i in range(len(dataset))])
    assert views.shape == (len(dataset), 3, 64, 64) and 0 <= views.min() <= views.max() <= 255
    assert is_face.tolist() == [True] * 2 * count + [False] * 2 * len(photos)
    assert changes[:count].abs().max() > 0.05  # disturbed
    assert (changes[count:] == 0).all()  # found exactly; or no face
    # Each kind has its share, however many there are.
    shares = [part.sum() for part in np.split(dataset.weights, [count, 2 * count])]
    np.testing.assert_allclose(shares, [0.38, 0.17, 0.45])


def test_likelier_false_candidates_come_more_often(photos: DetectionCache) -> None:
    corner = np.tile(np.array([0, 0, 9, 9], np.float32), (2, 1))
    some = Candidates(np.array([0, 3]), corner, np.array([0.1, 0.3], np.float32))
    dataset = BoxViewDataset([(photos, some)], seed=1)
    false = dataset.weights[-len(photos) - 2 : -len(photos)]
    np.testing.assert_allclose(false, [0.35 / 4, 0.35 * 3 / 4], rtol=1e-6)


def test_views_follow_from_the_seed(photos: DetectionCache) -> None:
    indices = [(2, 5), (2, 1), (2, 3)]
    source = [(photos, made_up(photos))]
    first = BoxViewDataset(source, seed=1).__getitems__(indices)
    again = BoxViewDataset(source, seed=1).__getitems__(indices)
    other = BoxViewDataset(source, seed=2).__getitems__(indices)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_photos_without_faces_are_refused(photos: DetectionCache) -> None:
    class Empty(DetectionCache):
        def __len__(self) -> int:
            return 0

    nothing = Candidates(np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0))
    with pytest.raises(ValueError, match="no faces"):
        BoxViewDataset([(Empty(photos.folder), nothing)], seed=0)


def test_candidates_are_found_once(photos: DetectionCache, tmp_path: Path) -> None:
    detector = FaceDetector.from_pretrained(threads=1)
    found = find_candidates(photos, detector, tmp_path)
    (file,) = tmp_path.glob("candidates-*.npz")
    written = file.stat().st_mtime_ns
    again = find_candidates(photos, detector, tmp_path)
    assert file.stat().st_mtime_ns == written
    np.testing.assert_array_equal(found.boxes, again.boxes)
    assert (np.diff(found.photos) >= 0).all() and (found.scores >= 0.04).all()
    for number, photo in enumerate(photos):
        matched = match_candidates(found.boxes[found.of(number)], photo.faces)
        assert set(matched[matched >= 0]) == set(range(len(photo.faces)))
