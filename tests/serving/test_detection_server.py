"""The detection container's contract, over HTTP."""

from __future__ import annotations

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from faceflow_ml import Detections, FaceDetector, load_image
from tests.serving.conftest import encode, npy
from tests.serving.server import Server

JSON, NPY, LINES = "application/json", "application/x-npy", "application/jsonlines"


def same(answer: dict[str, object], faces: Detections, contract_id: str) -> None:
    assert set(answer) == {"faces", "contract_id"}
    assert answer["contract_id"] == contract_id
    found = answer["faces"]
    assert isinstance(found, list)
    assert all(set(face) == {"box", "score", "landmarks"} for face in found)
    assert len(found) == len(faces)
    if not found:
        return
    np.testing.assert_allclose([face["box"] for face in found], faces.boxes, atol=1e-3)
    np.testing.assert_allclose([face["score"] for face in found], faces.scores, atol=1e-5)
    np.testing.assert_allclose([face["landmarks"] for face in found], faces.landmarks, atol=1e-3)


@pytest.mark.parametrize(
    ("content_type", "kind"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/webp", "WEBP")]
)
def test_a_photo_gives_the_librarys_faces(
    detection: Server,
    detector: FaceDetector,
    photos: list[np.ndarray],
    content_type: str,
    kind: str,
) -> None:
    data = encode(photos[1], kind)
    response = detection.post(data, content_type)
    assert response.status_code == 200
    expected = detector.detect(load_image(data))
    assert len(expected) == 2
    same(response.json(), expected, detector.contract_id)


def test_instances_are_answered_one_by_one(
    detection: Server, detector: FaceDetector, photos: list[np.ndarray]
) -> None:
    sizes = [photos[0], photos[1][:320], photos[2][:, :400], np.zeros((9, 7, 3), np.uint8)]
    images = [base64.b64encode(encode(photo, "PNG")).decode() for photo in sizes]
    answers = detection.post(json.dumps({"instances": images}), JSON).json()
    for answer, photo in zip(answers, sizes, strict=True):
        same(answer, detector.detect(photo), detector.contract_id)
    lines = "\n".join(json.dumps({"instances": [image]}) for image in images)
    response = detection.post(lines, LINES)
    assert [json.loads(line) for line in response.text.splitlines()] == [[a] for a in answers]


def test_arrays_of_photos(
    detection: Server, detector: FaceDetector, photos: list[np.ndarray]
) -> None:
    same(
        detection.post(npy(photos[0]), NPY).json(), detector.detect(photos[0]), detector.contract_id
    )
    batch = np.stack([photos[1], np.zeros_like(photos[1]), photos[3]])
    answers = detection.post(npy(batch), NPY).json()
    for answer, photo in zip(answers, batch, strict=True):
        same(answer, detector.detect(photo), detector.contract_id)
    rows = np.load(io.BytesIO(detection.post(npy(batch), NPY, Accept=NPY).content))
    assert rows.dtype == np.float32
    assert rows.shape[1] == 16
    for number, photo in enumerate(batch):
        own, expected = rows[rows[:, 0] == number], detector.detect(photo)
        np.testing.assert_allclose(own[:, 1:5], expected.boxes, atol=1e-3)
        np.testing.assert_allclose(own[:, 5], expected.scores, atol=1e-5)
        np.testing.assert_allclose(own[:, 6:].reshape(-1, 5, 2), expected.landmarks, atol=1e-3)


def test_a_photo_without_faces(detection: Server) -> None:
    grey = np.full((50, 60, 3), 90, np.uint8)
    assert detection.post(npy(grey), NPY).json()["faces"] == []
    empty = np.load(io.BytesIO(detection.post(npy(grey), NPY, Accept=NPY).content))
    assert empty.shape == (0, 16)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (2, 5, 5, 4), (5, 5, 1), (5, 5), (1,) * 5])
def test_other_shapes_are_refused(detection: Server, shape: tuple[int, ...]) -> None:
    response = detection.post(npy(np.zeros(shape, np.uint8)), NPY)
    assert response.status_code == 400
    assert str(shape) in response.json()["detail"]


def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(detection: Server) -> None:
    # 60 megapixels of one colour take a few kilobytes as a PNG.
    bomb = encode(np.zeros((6000, 10_000, 3), np.uint8), "PNG")
    response = detection.post(bomb, "image/png")
    assert response.status_code == 400
    assert "10000 x 6000" in response.json()["detail"]


def test_photos_of_many_sizes_at_once(
    detection: Server, detector: FaceDetector, photos: list[np.ndarray]
) -> None:
    cut = [photos[k % 4][: 480 - 16 * (k % 5), : 640 - 32 * (k % 3)] for k in range(40)]
    with ThreadPoolExecutor(12) as pool:
        bodies = [encode(photo, "PNG") for photo in cut]
        answers = list(pool.map(lambda body: detection.post(body, "image/png").json(), bodies))
    for answer, photo in zip(answers, cut, strict=True):
        same(answer, detector.detect(photo), detector.contract_id)
