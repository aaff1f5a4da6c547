"""NMS against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from faceflow_ml.inference.nms import blend, nms


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def by_definition(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


@st.composite
def boxes_and_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(0, 25))
    corner = draw(hnp.arrays(np.int64, (n, 2), elements=st.integers(-20, 20)))
    size = draw(hnp.arrays(np.int64, (n, 2), elements=st.integers(0, 15)))
    # Few distinct scores, so that ties are common.
    scores = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 5)))
    return np.hstack([corner, corner + size]).astype(np.float32), scores / 5


@settings(max_examples=200, deadline=None)
@given(boxes_and_scores(), st.sampled_from([0.0, 0.13, 0.31, 0.47, 1.0]))
def test_equals_the_definition(data: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    boxes, scores = data
    assert nms(boxes, scores, threshold).tolist() == by_definition(boxes, scores, threshold)


def test_keeps_the_best_of_two_and_the_lone_one() -> None:
    boxes = [[0, 0, 10, 10], [100, 100, 110, 110], [1, 1, 11, 11]]
    assert nms(boxes, [0.8, 0.3, 0.9], 0.4).tolist() == [2, 1]


def test_no_boxes() -> None:
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


@pytest.mark.parametrize(
    ("boxes", "scores", "threshold"),
    [
        (np.zeros((2, 5)), np.zeros(2), 0.5),
        (np.zeros((2, 4)), np.zeros(3), 0.5),
        (np.full((1, 4), np.nan), np.zeros(1), 0.5),
        (np.zeros((1, 4)), np.full(1, np.inf), 0.5),
        (np.zeros((1, 4)), np.zeros(1), 1.5),
        (np.zeros((1, 4)), np.zeros(1), float("nan")),
    ],
)
def test_bad_arguments(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        nms(boxes, scores, threshold)


def test_blend_averages_the_predictions_of_one_face() -> None:
    boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.9, 0.9, 0.8], np.float32)
    landmarks = np.stack([np.full((5, 2), v, np.float32) for v in (4.0, 6.0, 55.0)])
    kept = nms(boxes, scores, 0.4)
    blended, points = blend(boxes, scores, landmarks, kept, 0.6)
    # The neighbour's IoU with the kept box is 2/3: weights 0.6 and 0.4.
    np.testing.assert_allclose(blended, [[0.8, 0, 10.8, 10], [50, 50, 60, 60]], atol=1e-5)
    np.testing.assert_allclose(points[:, 0, 0], [4.8, 55.0], atol=1e-5)


def test_blend_ignores_what_overlaps_little_or_scores_little() -> None:
    boxes = np.array([[0, 0, 10, 10], [7, 0, 17, 10], [1, 0, 11, 10]], np.float32)
    scores = np.array([0.9, 0.8, 0.3], np.float32)
    landmarks = np.zeros((3, 5, 2), np.float32)
    blended, _ = blend(boxes, scores, landmarks, np.array([0]), 0.6)
    np.testing.assert_allclose(blended, boxes[:1])
