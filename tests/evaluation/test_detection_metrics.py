"""Detection metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from faceflow_ml.evaluation.detection import (
    ImageDetections,
    ImageTruth,
    MatchedDetections,
    average_precision,
    landmark_error,
    match_detections,
    median_landmark_error,
    pr_curve,
    recall_at_false_positives,
    score_at_false_positives,
)
from faceflow_ml.inference.boxes import iou_matrix

FIVE = np.array([[0, 0], [10, 0], [5, 5], [2, 10], [8, 10]], np.float32)


def found(boxes: list, scores: list) -> ImageDetections:
    n = len(scores)
    return ImageDetections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(scores, np.float32),
        np.zeros((n, 5, 2), np.float32),
    )


def truth(boxes: list, ignore: list | None = None) -> ImageTruth:
    n = len(boxes)
    return ImageTruth(
        np.array(boxes, np.float32).reshape(n, 4),
        np.full((n, 5, 2), np.nan, np.float32),
        np.array(ignore if ignore is not None else [False] * n, np.bool_),
    )


def matched(hits: list[bool], faces: int, images: int = 1) -> MatchedDetections:
    n = len(hits)
    return MatchedDetections(
        np.linspace(0.9, 0.1, n).astype(np.float32),
        np.array(hits, np.bool_),
        np.full(n, np.nan, np.float32),
        np.zeros(n, np.int64),
        faces,
        images,
    )


def test_iou() -> None:
    a = np.array([[0, 0, 2, 2], [0, 0, 1, 1]], np.float32)
    b = np.array([[1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2]], np.float32)
    assert iou_matrix(a, b) == pytest.approx(np.array([[2 / 6, 0, 1], [0, 0, 0.25]]))
    assert iou_matrix(a, np.zeros((0, 4), np.float32)).shape == (2, 0)


def test_the_first_detection_of_a_face_hits_and_the_second_is_false() -> None:
    box = [0, 0, 10, 10]
    result = match_detections([found([box, box], [0.6, 0.9])], [truth([box])])
    assert result.scores.tolist() == pytest.approx([0.9, 0.6])
    assert result.hits.tolist() == [True, False]
    assert (result.faces, result.image_count) == (1, 1)


def test_a_detection_takes_the_free_face_that_it_overlaps_most() -> None:
    near, far = [0, 0, 10, 10], [3, 0, 13, 10]  # IoU with each other 7/13
    result = match_detections([found([near, near], [0.9, 0.8])], [truth([far, near])])
    assert result.hits.tolist() == [True, True]


def test_ignored_faces_neither_reward_nor_punish() -> None:
    face, crowd, nothing = [0, 0, 10, 10], [50, 50, 60, 60], [80, 80, 90, 90]
    result = match_detections(
        [found([crowd, face, nothing], [0.9, 0.8, 0.7])], [truth([face, crowd], [False, True])]
    )
    assert result.scores.tolist() == pytest.approx([0.8, 0.7])
    assert result.hits.tolist() == [True, False]
    assert result.faces == 1


def test_iou_just_below_the_threshold_is_no_hit() -> None:
    # 10 x 10 boxes that share 6 x 10: IoU 60 / 140; 7 x 10: 70 / 130 = 0.538.
    below = match_detections([found([[4, 0, 14, 10]], [0.9])], [truth([[0, 0, 10, 10]])])
    above = match_detections([found([[3, 0, 13, 10]], [0.9])], [truth([[0, 0, 10, 10]])])
    assert (below.hits.tolist(), above.hits.tolist()) == ([False], [True])


def test_images_do_not_share_faces() -> None:
    box = [0, 0, 10, 10]
    result = match_detections([found([box], [0.5]), found([box], [0.9])], [truth([]), truth([box])])
    assert result.hits.tolist() == [True, False]
    assert result.images.tolist() == [1, 0]


def test_average_precision_by_hand() -> None:
    # Precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3; the envelope is 1 up to 1/3, 2/3 up to 2/3.
    assert average_precision(matched([True, False, True], faces=3)) == pytest.approx(
        1 / 3 + 2 / 3 * 1 / 3
    )
    assert average_precision(matched([True, True], faces=2)) == 1.0
    assert average_precision(matched([False, False], faces=2)) == 0.0
    assert average_precision(matched([], faces=2)) == 0.0


def test_precision_and_recall_by_hand() -> None:
    curve = pr_curve(matched([True, False, True, True], faces=5))
    assert curve.precision == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    assert curve.recall == pytest.approx([0.2, 0.2, 0.4, 0.6])


@pytest.mark.parametrize(("allowed", "recall"), [(0, 0.2), (1, 0.6), (1.9, 0.6), (2, 0.8)])
def test_recall_at_false_positives(allowed: float, recall: float) -> None:
    outcome = matched([True, False, True, True, False, True], faces=5)
    assert recall_at_false_positives(outcome, allowed) == pytest.approx(recall)


def test_score_at_false_positives_keeps_as_much_as_is_allowed() -> None:
    outcome = matched([True, False, True, False], faces=3)
    scores = outcome.scores
    assert score_at_false_positives(outcome, 0) == pytest.approx(scores[0])
    assert score_at_false_positives(outcome, 1) == pytest.approx(scores[2])
    assert score_at_false_positives(outcome, 9) == pytest.approx(scores[3])
    assert score_at_false_positives(matched([False], faces=1), 0) == 1.0


def test_landmark_error_is_in_eye_distances() -> None:
    moved = FIVE + np.array([3, 4], np.float32)  # 5 px, and the eyes are 10 px apart
    assert landmark_error(moved, FIVE) == pytest.approx(0.5)
    one = FIVE.copy()
    one[2, 0] += 10
    assert landmark_error(one, FIVE) == pytest.approx(10 / 5 / 10)
    unknown = FIVE.copy()
    unknown[3] = np.nan
    assert np.isnan(landmark_error(FIVE, unknown))


def test_median_landmark_error_counts_hits_above_a_score() -> None:
    outcome = MatchedDetections(
        np.array([0.9, 0.8, 0.7, 0.2], np.float32),
        np.array([True, True, False, True]),
        np.array([0.1, 0.3, np.nan, 9.0], np.float32),
        np.zeros(4, np.int64),
        4,
        1,
    )
    assert median_landmark_error(outcome, min_score=0.5) == pytest.approx(0.2)
    assert median_landmark_error(outcome) == pytest.approx(0.3)
    assert np.isnan(median_landmark_error(outcome, min_score=0.95))


def test_other_numbers_of_images_are_refused() -> None:
    with pytest.raises(ValueError, match="2 images"):
        match_detections([found([], [])] * 2, [truth([])])
