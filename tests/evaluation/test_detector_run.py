"""Detectors over labelled photos: sources of labels, measures by hand, worst cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceflow_ml.data.records import DetectionSample
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.errors import ConfigError
from faceflow_ml.evaluation.detection import ImageDetections, ImageTruth, match_detections
from faceflow_ml.evaluation.photo_sources import read_labelled_photos
from faceflow_ml.evaluation.run_detection import (
    DetectorRun,
    best_f1_score,
    misplaced_share,
    recall_by_size,
    run_detector,
    worst_cases,
    worst_landmarks,
)
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.scores import ScoreCalibration

A, B, C = (4, 4), (10, 4), (14, 10)  # cells far enough apart


@pytest.fixture(scope="module")
def detector(toys: Any) -> FaceDetector:
    return FaceDetector(toys.detector, threads=1)


@pytest.fixture(scope="module")
def samples(toy_photos: Any) -> list[DetectionSample]:
    """Four faces, of which three are found, one false positive that scores highest, and an
    ignored face that is found."""
    return [
        toy_photos.sample(toy_photos.photo(A, B), [A, B], moved=4.8),
        toy_photos.sample(toy_photos.photo(C, strength=255), []),
        toy_photos.sample(toy_photos.photo(A), [A, C], moved=9.6),
        toy_photos.sample(toy_photos.photo(B), [B], ignored=1),
    ]


@pytest.fixture(scope="module")
def run(detector: FaceDetector, samples: list[DetectionSample]) -> DetectorRun:
    return run_detector(detector, samples)


def test_measures_by_hand(run: DetectorRun) -> None:
    metrics = run.metrics
    assert (metrics.photos, metrics.faces, metrics.ignored_faces) == (4, 4, 1)
    # The false one comes first: precision 1/2, 2/3, 3/4 at recall 1/4, 2/4, 3/4.
    assert metrics.average_precision == pytest.approx(0.75 * 0.75)
    assert metrics.recall_at_100_fp == 0.75
    assert metrics.recall_at_1_fp_per_image == 0.75
    assert metrics.recall_at_0_1_fp_per_image == 0.0  # 0.4 of a false positive is none
    assert metrics.score_at_0_1_fp_per_image == 1.0
    assert metrics.at_threshold.recall == 0.75
    assert metrics.at_threshold.precision == 0.75
    assert metrics.at_threshold.false_positives_per_image == 0.25
    assert metrics.best_f1.score_threshold == pytest.approx(240 / 255, abs=1e-3)
    # Two are 4.8 px off and one 9.6, and the eyes are 0.8 * 60 = 48 px apart.
    assert metrics.landmark_error_median == pytest.approx(0.1, abs=1e-3)
    assert metrics.landmark_faces == 3
    assert [(s.smallest, s.faces, s.found) for s in metrics.by_size] == [
        (0, 0, 0),
        (16, 0, 0),
        (32, 0, 0),
        (64, 4, 3),  # 120 px
        (128, 0, 0),
    ]


def test_false_positives_that_are_misplaced() -> None:
    def boxes(*lefts: float) -> np.ndarray:
        return np.float32([[x, 0, x + 10, 10] for x in lefts])

    truth = [ImageTruth(boxes(0, 50), np.full((2, 5, 2), np.nan, np.float32), np.zeros(2, bool))]
    # A hit, one moved by 4 of 10 px (IoU 0.43), one beside everything, and a poor one.
    found = [
        ImageDetections(
            boxes(0, 54, 80, 90),
            np.float32([0.9, 0.8, 0.7, 0.1]),
            np.zeros((4, 5, 2), np.float32),
        )
    ]
    assert misplaced_share(found, truth, 0.5) == 0.5
    assert misplaced_share(found, truth, 0.85) is None
    assert misplaced_share(found, truth, 0.0) == pytest.approx(1 / 3)


def test_no_landmark_error_without_known_landmarks(detector: FaceDetector, toy_photos: Any) -> None:
    sample = toy_photos.sample(toy_photos.photo(A), [A], moved=np.nan)
    metrics = run_detector(detector, [sample]).metrics
    assert (metrics.landmark_error_median, metrics.landmark_faces) == (None, 0)
    assert metrics.average_precision == 1.0


def test_landmarks_of_doubtful_faces_do_not_count(toys: Any, toy_photos: Any) -> None:
    # One false positive an image is allowed; the hit below the second one is not counted.
    image = toy_photos.photo(A, (10, 10), strength=250)
    image[toy_photos.photo(B, C, strength=180)[..., 0] == 180] = (180, 10, toy_photos.half)
    image[toy_photos.photo((4, 10), strength=120)[..., 0] == 120] = (120, 10, toy_photos.half)
    sample = toy_photos.sample(image, [A, (4, 10)], moved=4.8)
    detector = FaceDetector(toys.detector, threads=1)
    metrics = run_detector(detector, [sample]).metrics
    assert (metrics.landmark_faces, metrics.recall_at_1_fp_per_image) == (1, 0.5)
    assert metrics.recall_at_100_fp == 1.0


def test_a_detector_that_finds_nothing_and_photos_without_faces(
    detector: FaceDetector, toy_photos: Any
) -> None:
    nothing = run_detector(detector, [toy_photos.sample(toy_photos.photo(), [A])]).metrics
    assert (nothing.average_precision, nothing.recall_at_1000_fp) == (0.0, 0.0)
    assert (nothing.at_threshold.precision, nothing.best_f1.score_threshold) == (1.0, 1.0)
    assert run_detector(detector, [toy_photos.sample(toy_photos.photo(A), [])]).metrics.faces == 0
    with pytest.raises(ValueError, match="at least one photo"):
        run_detector(detector, [])


def test_worst_cases_are_the_false_and_the_missed(run: DetectorRun, toy_photos: Any) -> None:
    false, missed = worst_cases(run, 5)
    assert [case.photo for case in false] == [1]
    assert false[0].box == pytest.approx(tuple(toy_photos.box(C)), abs=1e-3)
    assert [(case.photo, case.box) for case in missed] == [(2, tuple(toy_photos.box(C)))]
    off = worst_landmarks(run, 2)
    assert [photo for photo, _, _ in off] == [2, 0]
    assert [error for _, _, error in off] == pytest.approx([0.2, 0.1], abs=1e-3)


def test_recall_by_size_counts_a_face_in_its_class_only() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 50, 60]], np.float32)  # 10 and 34.6 px
    points = np.zeros((2, 5, 2), np.float32)
    truth = [ImageTruth(boxes, points, np.zeros(2, np.bool_))]
    found = [ImageDetections(boxes, np.array([0.9, 0.4], np.float32), points)]
    sizes = recall_by_size(found, truth, 0.3)
    assert [(s.faces, s.found) for s in sizes] == [(1, 1), (0, 0), (1, 1), (0, 0), (0, 0)]
    sizes = recall_by_size(found, truth, 0.5)
    assert [(s.faces, s.found) for s in sizes] == [(1, 1), (0, 0), (1, 0), (0, 0), (0, 0)]


def test_best_f1_by_hand() -> None:
    boxes = np.array([[20 * i, 0, 20 * i + 10, 10] for i in range(4)], np.float32)
    points = np.zeros((4, 5, 2), np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    truth = [ImageTruth(boxes[[0, 2]], points[:2], np.zeros(2, np.bool_))]
    matched = match_detections([ImageDetections(boxes, scores, points)], truth)
    # Hit, false, hit, false: F1 is 2/3, 1/2, 4/5, 2/3.
    assert best_f1_score(matched) == pytest.approx(0.7)


@pytest.fixture
def parquet(tmp_path: Path, samples: list[DetectionSample]) -> Path:
    rows = [
        {
            "image": s.image,
            "name": f"{i}.png",
            "width": s.width,
            "height": s.height,
            "boxes": s.boxes.tolist(),
            "landmarks": s.landmarks.reshape(-1, 10).tolist(),
            "kind": ["ignore" if ignore else "human" for ignore in s.ignore],
        }
        for i, s in enumerate(samples)
    ]
    schema = pa.schema(
        [
            ("image", pa.binary()),
            ("name", pa.string()),
            ("width", pa.int64()),
            ("height", pa.int64()),
            ("boxes", pa.list_(pa.list_(pa.float32()))),
            ("landmarks", pa.list_(pa.list_(pa.float32()))),
            ("kind", pa.list_(pa.string())),
        ]
    )
    file = tmp_path / "val.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema), file)
    return file


def test_the_command_measures_and_draws(
    evaluate: Callable, toys: Any, parquet: Path, run: DetectorRun, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    result = evaluate(
        *("evaluate", "detector", "--data", parquet, "--weights", toys.detector),
        *("--out", out, "--threads", "1", "--json"),
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["metrics"]["detection"]["average_precision"] == run.metrics.average_precision
    assert json.loads((out / "report.json").read_text()) == report
    assert report["models"][0]["contract_id"] == FaceDetector(toys.detector).contract_id
    assert len(report["data"][0]["fingerprint"]) == 64
    for name in ("pr.png", "recall.png", "scores.png", "reliability.png", "worst.jpg"):
        picture = cv2.imread(str(out / name))
        assert picture is not None and picture.std() > 5, name
    assert {path.name for path in out.iterdir()} == {
        *("report.json", "pr.png", "recall.png", "scores.png", "reliability.png", "worst.jpg")
    }


def test_the_command_prints_a_table_without_json(
    evaluate: Callable, toys: Any, parquet: Path
) -> None:
    result = evaluate("evaluate", "detector", "--data", parquet.parent, "--weights", toys.detector)
    assert result.exit_code == 0, result.output
    assert "AP@0.5" in result.stdout and "0.5625" in result.stdout


@pytest.mark.parametrize("data", ["absent", "empty", "notes.csv"])
def test_data_that_is_not_there_is_bad_usage(
    evaluate: Callable, toys: Any, tmp_path: Path, data: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.csv").write_text("a,b\n")
    result = evaluate("evaluate", "detector", "--data", tmp_path / data, "--weights", toys.detector)
    assert result.exit_code == 2
    assert data in result.stderr
    assert result.stdout == ""


def test_labels_of_other_formats(tmp_path: Path, toy_photos: Any) -> None:
    (tmp_path / "a.png").write_bytes(toy_photos.png(toy_photos.photo(A)))
    x1, y1, x2, y2 = toy_photos.box(A)
    wider = tmp_path / "labels.txt"
    wider.write_text(f"a.png\n1\n{x1:.0f} {y1:.0f} {x2 - x1:.0f} {y2 - y1:.0f} 0 0 0 0 0 0\n")
    coco = tmp_path / "labels.json"
    coco.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png", "width": 640, "height": 480}],
                "annotations": [{"image_id": 1, "category_id": 1, "bbox": [x1, y1, 120, 120]}],
                "categories": [{"id": 1, "name": "face"}],
            }
        )
    )
    for file in (wider, coco):
        (sample,) = read_labelled_photos(file)
        assert sample.boxes.tolist() == [[x1, y1, x2, y2]]
        assert sample.decode().shape == (480, 640, 3)


def test_an_album_of_fictional_people_is_labelled(tmp_path: Path) -> None:
    truth = write_album(tmp_path / "album", AlbumSpec(people=2, photos=2, width=240, broken=1))
    photos = read_labelled_photos(tmp_path / "album")
    assert [photo.name for photo in photos] == [photo.path for photo in truth.photos]
    for photo, true in zip(photos, truth.photos, strict=True):
        assert photo.boxes.tolist() == np.float32([f.box for f in true.faces]).tolist()
        assert photo.decode().shape == (true.height, true.width, 3)
        assert np.isfinite(photo.landmarks).all()


def test_shards_without_photos_are_refused(tmp_path: Path, parquet: Path) -> None:
    table = pq.read_table(parquet)
    pq.write_table(table.slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(ConfigError, match="no photos"):
        read_labelled_photos(tmp_path / "none.parquet")


def test_a_detector_gives_probabilities(toys: Any, toy_photos: Any) -> None:
    photo = toy_photos.photo((4, 4), strength=200)
    photo[toy_photos.photo((10, 10), strength=120)[..., 0] == 120] = (120, 10, toy_photos.half)
    plain = FaceDetector(toys.detector, threads=1)
    detector = plain.uncalibrated()
    detector._score_calibration = curve = ScoreCalibration(slope=2.5, shift=-0.3)
    networks = plain.detect(photo, score_threshold=0.1).scores
    assert len(networks) == 2
    found = detector.detect(photo, score_threshold=0.0)
    assert found.scores[:2] == pytest.approx(curve.probability(networks))
    surer = detector.detect(photo, score_threshold=0.5)
    assert surer.scores.tolist() == [s for s in found.scores.tolist() if s >= 0.5] != []
    assert len(surer) == 1
    again = detector.uncalibrated().detect(photo, score_threshold=0.1)
    assert again.scores == pytest.approx(networks)
