"""The refiner sees the right part of a photo, and boxes and scores change as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceflow_ml.errors import WeightsError
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.pretrained import from_bytes
from faceflow_ml.inference.refiner import (
    CONTEXT,
    FaceRefiner,
    box_view,
    change_boxes,
    changes_between,
    combine_scores,
)
from faceflow_ml.inference.types import VIEW_SIZE
from tests.inference.conftest import Graph, write_weights

# Certain that it is a face, and that the face is a tenth further right and wider.
JUDGEMENT = (8.0, 0.1, 0.0, float(np.log(1.1)), 0.0)


def build_refiner(judgement: tuple[float, ...] = JUDGEMENT) -> bytes:
    """Answers with ``judgement`` times the mean of blue / 255."""
    g = Graph()
    _, _, blue = g("Split", g.images("h"), axis=1, outputs=3)
    mean = g("Flatten", g("GlobalAveragePool", blue), axis=1)
    g("MatMul", mean, g.const(np.array([judgement]) / 255), name="judgements")
    return g.build({"judgements": ["n", len(judgement)]})


def refiner(judgement: tuple[float, ...] = JUDGEMENT) -> FaceRefiner:
    return FaceRefiner(from_bytes("refiner", build_refiner(judgement)))


BLUE = np.full((200, 300, 3), (0, 0, 255), np.uint8)


def boxes(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(60, 120, (count, 2)), rng.uniform(8, 40, (count, 2))
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)


def test_changes_are_undone_by_their_opposite() -> None:
    some, others = boxes(9), boxes(9, 1)
    # Near enough that nothing is limited.
    others = (0.9 * some + 0.1 * others).astype(np.float32)
    assert_allclose(change_boxes(some, changes_between(some, others)), others, atol=1e-3)


def test_wild_changes_are_limited() -> None:
    found = change_boxes(boxes(1), np.full((1, 4), 50.0))
    assert np.isfinite(found).all() and np.abs(found).max() < 400


def test_both_judges_count() -> None:
    scores = np.array([0.0, 0.3, 0.3, 0.3, 1.0], np.float32)
    found = combine_scores(scores, np.array([9.0, -5.0, 0.0, 5.0, -9.0]))
    assert (np.diff(found[1:4]) > 0).all() and found[2] > 0.3 > found[1]
    assert 0 < found[0] < 0.5 < found[4] < 1  # neither overrules the other alone


def test_the_view_is_the_square_around_the_box() -> None:
    """A ramp over the photo must arrive as that ramp, half-pixel conventions included."""
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    photo = np.stack([ramp, ramp.T, np.zeros_like(ramp)], axis=2)
    for box in (np.array([80.0, 70, 110, 120]), np.array([85.0, 85, 93, 93])):
        view = box_view(photo, box)
        side = CONTEXT * np.sqrt((box[2:] - box[:2]).prod())
        for channel, centre in enumerate((box[:2] + box[2:]) / 2):
            # The value at a place is that of the pixel's corner: half a pixel from its centre.
            places = centre + ((np.arange(VIEW_SIZE) + 0.5) / VIEW_SIZE - 0.5) * side
            line = view.mean(axis=channel)[:, channel]
            assert_allclose(line[4:-4], places[4:-4] - 0.5, atol=0.6)


def test_a_view_may_reach_outside_the_photo() -> None:
    view = box_view(BLUE, np.array([-30.0, -30, 30, 30]))
    assert view[-1, -1].tolist() == [0, 0, 255] and view[0, 0].tolist() == [0, 0, 0]


def test_candidates_of_several_photos_are_judged_each_in_its_own() -> None:
    black = np.zeros_like(BLUE)
    some = [boxes(3), boxes(0), boxes(70)]
    scores = [np.full(len(part), 0.5, np.float32) for part in some]
    found = refiner().refine_batch([BLUE, BLUE, black], some, scores)
    assert [len(part) for part, _ in found] == [3, 0, 70]
    (blue_boxes, blue_scores), _, (black_boxes, black_scores) = found
    size = some[0][:, 2:] - some[0][:, :2]
    centre = (blue_boxes[:, 0] + blue_boxes[:, 2]) / 2
    moved = centre - (some[0][:, 0] + some[0][:, 2]) / 2
    assert_allclose(moved, 0.1 * np.sqrt(size.prod(axis=1)), rtol=1e-3)
    assert_allclose(blue_boxes[:, 2] - blue_boxes[:, 0], 1.1 * size[:, 0], rtol=1e-3)
    assert (blue_scores > 0.85).all()
    assert_allclose(black_boxes, some[2], atol=1e-3)  # the toy sees nothing blue there
    assert_allclose(black_scores, 0.5, atol=1e-6)
    assert refiner().refine_batch([], [], []) == []


def test_a_model_of_another_shape_is_refused() -> None:
    with pytest.raises(WeightsError, match="expected judgements"):
        refiner((0.1, 0.1, 0.1)).refine_batch([BLUE], [boxes(1)], [np.ones(1, np.float32)])


def test_a_detector_asks_its_refiner(tmp_path: Path, detector_onnx: bytes) -> None:
    photo = np.zeros((640, 640, 3), np.uint8)  # the side to which smaller ones are raised
    photo[128:160, 128:160] = (70, 0, 40)  # a faint candidate
    photo[224:256, 64:96] = (250, 0, 40)  # a clear one
    plain = FaceDetector(detector_onnx)
    assert len(plain.detect(photo)) == 1
    found = {}
    for name, odds in (("face", 60.0), ("none", -60.0)):
        folder = tmp_path / name
        folder.mkdir()
        model = build_refiner((odds / 0.02, 0, 0, 0, 0))
        write_weights(folder, detector_onnx, {"refiner": model})
        found[name] = FaceDetector(folder).detect(photo)
    assert len(found["face"]) == 2  # made of what the detector thinks below its threshold
    assert len(found["none"]) == 0
    assert (np.diff(found["face"].scores) <= 0).all()
    assert plain.contract_id != FaceDetector(tmp_path / "face").contract_id
    by_itself = FaceDetector(tmp_path / "none").candidates([photo], score_threshold=0.5)[0]
    assert_allclose(by_itself.boxes, plain.detect(photo).boxes)
