"""The detector finds what the toy model sees, in photos of every size, where it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflow_ml.errors import FaceFlowError, WeightsError
from faceflow_ml.inference.detector import FaceDetector, _inside, _View
from faceflow_ml.inference.session import Session
from faceflow_ml.inference.tiling import Region
from faceflow_ml.inference.types import Detections

GREY = 128


@pytest.fixture(scope="module")
def detector(detector_onnx: bytes) -> FaceDetector:
    return FaceDetector(detector_onnx, threads=1)


def photo(width: int, height: int, *squares: tuple[int, int, int], half: int = 40) -> np.ndarray:
    """Grey, with squares (x, y, side) that the toy detector takes for faces.

    It reports their centre, and ``half`` (in its input's pixels) as half the side of the box.
    """
    image = np.full((height, width, 3), GREY, np.uint8)
    for x, y, side in squares:
        image[y : y + side, x : x + side] = (255, 0, half)
    return image


def test_box_and_landmarks_in_photo_pixels(detector: FaceDetector) -> None:
    faces = detector.detect(photo(640, 480, (128, 64, 32)))
    assert len(faces) == 1
    np.testing.assert_allclose(faces.boxes, [[104, 40, 184, 120]], atol=1e-3)
    assert faces.scores.tolist() == [1.0]
    expected = [[128, 68], [160, 68], [144, 84], [132, 100], [156, 100]]
    np.testing.assert_allclose(faces.landmarks[0], expected, atol=1e-3)
    assert faces.boxes.dtype == faces.scores.dtype == faces.landmarks.dtype == np.float32


@pytest.mark.parametrize(
    ("width", "height"),
    [(640, 480), (641, 333), (1200, 900), (500, 1280), (160, 120), (100, 320), (64, 64)],
)
def test_boxes_are_mapped_back_from_every_size(
    detector: FaceDetector, width: int, height: int
) -> None:
    longest = max(width, height)
    scale = 640 / longest
    # A square two cells of 32 wide holds a whole one, wherever it lies.
    side = round(64 / scale)
    x, y = round(width * 0.6) - side // 2, round(height * 0.4) - side // 2
    if min(x, y) < 0 or x + side > width or y + side > height:
        x = y = 0
        side = min(width, height)
    faces = detector.detect(photo(width, height, (x, y, side)), multi_scale=False)
    best = faces.boxes[0]
    centre = (best[:2] + best[2:]) / 2
    assert x - 1 <= faces.landmarks[0, 2, 0] <= x + side + 1
    assert (best >= 0).all()
    assert (best <= np.array([width, height] * 2)).all()
    inner = (best[:2] > 1).all() and (best[2:] < np.array([width, height]) - 1).all()
    if inner:
        np.testing.assert_allclose(best[2:] - best[:2], 80 / scale, rtol=0.07)
        assert np.abs(centre - [x + side / 2, y + side / 2]).max() <= 17 / scale


def test_sorted_by_score_and_cut_to_max_faces(detector: FaceDetector) -> None:
    image = photo(640, 480, (64, 64, 32), (320, 256, 32), (512, 96, 32))
    image[256:288, 320:352, 0] = 200  # scores 200 / 255
    faces = detector.detect(image)
    assert (np.diff(faces.scores) <= 0).all()
    assert len(faces) == 3
    best = detector.detect(image, max_faces=2)
    np.testing.assert_array_equal(best.boxes, faces.boxes[:2])
    assert len(detector.detect(image, max_faces=0)) == 0


def test_threshold_is_obeyed(detector: FaceDetector) -> None:
    image = photo(640, 480, (64, 64, 32))
    image[64:96, 64:96, 0] = 153  # scores 0.6
    assert len(detector.detect(image)) == 1
    assert len(detector.detect(image, score_threshold=0.59)) == 1
    assert len(detector.detect(image, score_threshold=0.61)) == 0
    everything = detector.detect(image, score_threshold=0.0)
    assert 1 < len(everything) <= 1000


def test_boxes_are_clipped_and_the_padding_holds_no_face(detector: FaceDetector) -> None:
    faces = detector.detect(photo(630, 470, (0, 0, 32), (576, 416, 32)))
    assert len(faces) == 2
    assert faces.boxes.min() == 0
    assert 620 < faces.boxes[:, 2].max() <= 630
    assert 460 < faces.boxes[:, 3].max() <= 470


def test_boxes_outside_the_photo_are_dropped(make_detector) -> None:
    away = FaceDetector(make_detector(offset=700.0), threads=1)
    assert len(away.detect(photo(640, 480, (128, 64, 32)))) == 0


def test_no_faces(detector: FaceDetector) -> None:
    faces = detector.detect(photo(640, 480))
    assert (faces.boxes.shape, faces.scores.shape, faces.landmarks.shape) == (
        (0, 4),
        (0,),
        (0, 5, 2),
    )


def test_small_faces_of_a_big_photo_are_found_in_tiles(detector: FaceDetector) -> None:
    # 30 pixels of 2560 are 7.5 of 640, under the finest stride, and 13 in a tile.
    image = photo(2560, 1920, (1990, 1400, 30), half=12)
    assert len(detector.detect(image, multi_scale=False)) == 0
    for mode in (True, "auto"):
        faces = detector.detect(image, multi_scale=mode)
        assert len(faces) == 1
        centre = (faces.boxes[0, :2] + faces.boxes[0, 2:]) / 2
        assert np.abs(centre - [2005, 1415]).max() < 20


def test_a_face_in_several_views_is_reported_once(detector_onnx: bytes) -> None:
    # Whole in the first tile (640 x 480, not resized) and in the photo (reduced to 1000 x 750).
    image = photo(1120, 840, (96, 96, 64), half=80)
    detector = FaceDetector(detector_onnx, max_side=1000)
    alone = detector.detect(image, multi_scale=False)
    merged = detector.detect(image, multi_scale=True)
    assert len(alone) == len(merged) == 1


def test_a_face_cut_by_a_tile_is_left_to_its_neighbour() -> None:
    # The second of two tiles: its left border is inside the photo, the others are the photo's.
    view = _View(0, Region(400, 0, 900, 600), (0.5, 0.5), np.zeros((320, 256, 3), np.uint8))
    boxes = [[500, 0, 600, 90], [402, 100, 500, 200], [380, 100, 500, 200], [800, 500, 900, 600]]
    faces = Detections(np.array(boxes), np.ones(4), np.zeros((4, 5, 2)))
    assert _inside(faces, view, 900, 600).boxes.tolist() == [boxes[0], boxes[3]]


@pytest.mark.parametrize(("threads", "sizes"), [(1, [1] * 5), (2, [2, 2, 1])])
def test_a_processor_takes_one_view_a_thread(
    detector_onnx: bytes, threads: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, runs = FaceDetector(detector_onnx, threads=threads), []
    run = Session.run

    def counted(self: Session, images: np.ndarray) -> tuple[np.ndarray, ...]:
        runs.append(len(images))
        return run(self, images)

    monkeypatch.setattr(Session, "run", counted)
    found = detector.detect_batch([photo(640, 480, (128, 64, 32))] * 5)
    assert runs == sizes
    assert [len(faces) for faces in found] == [1] * 5


def test_batch_equals_one_by_one(detector: FaceDetector) -> None:
    rng = np.random.default_rng(0)
    images = []
    for i in range(11):
        width, height = [(640, 480), (480, 640), (300, 200), (1500, 700)][i % 4]
        x, y = rng.integers(0, [width - 64, height - 64])
        images.append(photo(width, height, (int(x), int(y), 64)))
    images.append(photo(2000, 1500, (700, 500, 200)))
    together = detector.detect_batch(images)
    assert sum(map(len, together)) >= len(images)
    for image, faces in zip(images, together, strict=True):
        alone = detector.detect(image)
        np.testing.assert_allclose(faces.boxes, alone.boxes, atol=1e-2)
        np.testing.assert_allclose(faces.scores, alone.scores, atol=1e-5)
    assert detector.detect_batch([]) == []


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_an_output_that_is_not_finite_is_an_error(make_detector, factor: float) -> None:
    broken = FaceDetector(make_detector(factor=factor), threads=1)
    with pytest.raises(FaceFlowError, match="not finite"):
        broken.detect(photo(64, 64, (0, 0, 64)))


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan"), "0.5", None, True])
def test_score_threshold_must_be_in_0_1(detector: FaceDetector, value: object) -> None:
    if value is None:
        assert detector.detect(photo(32, 32), score_threshold=None) is not None
        return
    with pytest.raises(ValueError, match="score_threshold"):
        detector.detect(photo(32, 32), score_threshold=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"max_faces": -1}, {"max_faces": 1.5}, {"multi_scale": "x"}])
def test_bad_options(detector: FaceDetector, options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        detector.detect(photo(32, 32), **options)


def test_max_side_is_part_of_the_contract(detector_onnx: bytes) -> None:
    small = FaceDetector(detector_onnx, threads=1, max_side=320)
    same = FaceDetector(detector_onnx, threads=1, max_side=640)
    default = FaceDetector(detector_onnx, threads=1)
    assert small.contract_id != default.contract_id == same.contract_id
    # 20 pixels of 640 are 10 of 320: half the resolution, half the box's half-size in the photo.
    image = photo(640, 480, (128, 64, 64), half=40)
    box = small.detect(image).boxes[0]
    np.testing.assert_allclose(box[2:] - box[:2], 160, atol=1)
    with pytest.raises(WeightsError, match="max_side"):
        FaceDetector(detector_onnx, max_side=3)


def test_an_embedder_is_not_a_detector(embedder_onnx: bytes) -> None:
    with pytest.raises(WeightsError, match="scores, boxes, landmarks"):
        FaceDetector(embedder_onnx)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([1, 1, 1, 40]),
    st.booleans(),
    st.sampled_from(["plain", "flipped", "strided", "fortran", "readonly", "channels"]),
    st.integers(0, 2**32 - 1),
)
def test_any_image_gives_valid_faces(
    detector: FaceDetector,
    short: int,
    long: int,
    stretch: int,
    upright: bool,
    layout: str,
    seed: int,
) -> None:
    shape = (long * stretch, short) if upright else (short, long * stretch)
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    plain = image.copy()
    if layout == "flipped":
        image = image[::-1, ::-1]
        plain = image.copy()
    elif layout == "strided":
        image = np.repeat(image, 2, axis=1)[:, ::2]
    elif layout == "fortran":
        image = np.asfortranarray(image)
    elif layout == "readonly":
        image.flags.writeable = False
    elif layout == "channels":
        image = image[..., ::-1]
        plain = image.copy()
    faces = detector.detect(image, score_threshold=0.05)
    again = detector.detect(plain, score_threshold=0.05)
    np.testing.assert_array_equal(faces.boxes, again.boxes)
    height, width = shape
    assert (faces.boxes[:, :2] >= 0).all()
    assert (faces.boxes[:, 2:] <= [width, height]).all()
    assert (faces.boxes[:, 2:] > faces.boxes[:, :2]).all()
    assert np.isfinite(faces.landmarks).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (1, 40_000), (40_000, 2)])
def test_extreme_shapes(detector: FaceDetector, shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), (255, 0, 40), np.uint8)
    faces = detector.detect(image)
    assert (faces.boxes[:, 2:] <= [shape[1], shape[0]]).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 6), max_size=5),
    st.sampled_from(["u1", "i1", "u2", "i4", "f2", "f4", "f8", "c8", "?", "O", "S3", "M8[s]"]),
)
def test_any_other_array_is_a_value_error(
    detector: FaceDetector, shape: list[int], dtype: str
) -> None:
    image = np.zeros(shape, dtype)
    if dtype == "u1" and len(shape) == 3 and shape[2] == 3 and image.size:
        assert isinstance(detector.detect(image), Detections)
        return
    with pytest.raises(ValueError, match=r"expected an RGB image \(H, W, 3\) uint8"):
        detector.detect(image)


@pytest.mark.parametrize("value", [None, 3, "photo.jpg", [[[1, 2, 3]]], b"\xff\xd8"])
def test_no_array_at_all(detector: FaceDetector, value: object) -> None:
    with pytest.raises(ValueError, match="expected an RGB image"):
        detector.detect(value)  # type: ignore[arg-type]


def test_detections_check_themselves_and_select() -> None:
    faces = Detections(np.arange(8).reshape(2, 4), np.array([0.9, 0.8]), np.zeros((2, 5, 2)))
    assert faces.select([]).boxes.shape == (0, 4)
    assert faces.select([1, 0]).scores.tolist() == pytest.approx([0.8, 0.9])
    assert faces.select(np.array([False, True])).boxes.tolist() == [[4, 5, 6, 7]]
    assert len(faces.select(slice(1))) == 1
    with pytest.raises(ValueError, match="boxes"):
        Detections(np.zeros((2, 4)), np.zeros(3), np.zeros((2, 5, 2)))
    with pytest.raises(ValueError, match="indices"):
        faces.select(1)
