"""Thresholds from validation data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceflow_ml.clustering.batch import cluster_faces
from faceflow_ml.clustering.confidence import ConfidenceModel
from faceflow_ml.errors import WeightsError
from faceflow_ml.evaluation import calibration as calibration_module
from faceflow_ml.evaluation.calibration import (
    FAR_RANGE,
    TRIALS,
    calibrate_detector,
    calibrate_embedder,
    try_thresholds,
)
from faceflow_ml.evaluation.clustering import bcubed
from faceflow_ml.evaluation.detection import ImageDetections, ImageTruth, match_detections
from faceflow_ml.evaluation.reports import git_commit, plain, update_manifest
from faceflow_ml.evaluation.run_detection import DetectorRun, detector_metrics, recalibrated
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.pretrained import (
    compute_contract_id,
    default_preprocessing,
    read_manifest,
)
from faceflow_ml.inference.scores import ScoreCalibration


@pytest.fixture(autouse=True)
def few_piles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_module, "PILES", 6)
    monkeypatch.setattr(calibration_module, "CONFIDENCE_PILES", 6)


def faces(people: int, each: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of people around centres; the mean similarity of one person is 1 / (1 + noise^2)."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(people), each)
    vectors = rng.normal(size=(people, 128))[labels]
    vectors = vectors + noise * rng.normal(size=vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def run_of(
    scores: np.ndarray, hits: np.ndarray, images: int, by: ScoreCalibration | None = None
) -> DetectorRun:
    """A run that found these, 50 in an image, of which the hits are its faces, all of them."""
    boxes = np.arange(len(scores), dtype=np.float32)[:, None] * 20 + np.float32([0, 0, 10, 10])
    points = np.zeros((len(scores), 5, 2), np.float32)
    empty = ImageTruth(boxes[:0], points[:0], np.zeros(0, bool))
    parts = [slice(start, start + 50) for start in range(0, len(scores), 50)]
    truth = [
        ImageTruth(
            boxes[part][hits[part]], points[part][hits[part]], np.zeros(hits[part].sum(), bool)
        )
        for part in parts
    ]
    found = [ImageDetections(boxes[p], scores[p].astype(np.float32), points[p]) for p in parts]
    nothing = ImageDetections(boxes[:0], points[:0, 0, 0], points[:0])
    rest = images - len(parts)
    truth, found = truth + [empty] * rest, found + [nothing] * rest
    matched = match_detections(found, truth)
    metrics = detector_metrics(matched, found, truth, score_threshold=0.5)
    return DetectorRun([], truth, found, matched, metrics, by or ScoreCalibration())


def test_detector_threshold_allows_one_false_positive_in_ten_images() -> None:
    hits = np.array([True, True, False, True, False, False, True])
    scores = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4])

    def threshold(images: int) -> float:
        found = calibrate_detector(run_of(scores, hits, images))
        return float(found.scores.scores(found.score_threshold))

    assert threshold(10) == pytest.approx(0.7, abs=1e-3)  # one is allowed: before the second
    assert threshold(20) == pytest.approx(0.6, abs=1e-3)
    assert threshold(9) == pytest.approx(0.9, abs=1e-3)  # none is allowed


def test_scores_become_probabilities() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.05, 0.95, 4000)
    truth = ScoreCalibration(slope=2.0, shift=-0.5)
    hits = rng.random(4000) < truth.probability(scores)
    run = run_of(scores, hits, 4_000)
    found = calibrate_detector(run)
    assert found.score_slope == pytest.approx(2.0, rel=0.1)
    assert found.score_shift == pytest.approx(-0.5, abs=0.1)
    again = recalibrated(run, found.scores, found.score_threshold)
    assert run.metrics.reliability is not None and again.metrics.reliability is not None
    assert run.metrics.reliability.calibration_error > 0.08
    assert again.metrics.reliability.calibration_error < 0.03
    assert again.metrics.average_precision == pytest.approx(run.metrics.average_precision)
    # Calibrated once more, it stays as it is.
    twice = calibrate_detector(again)
    assert plain(twice) == pytest.approx(plain(found), abs=2e-3)


@pytest.mark.parametrize("hits", [[True, True, False, False], [False, False, True, True]])
def test_what_few_detections_say_of_probabilities_is_left(hits: list[bool]) -> None:
    found = calibrate_detector(run_of(np.array([0.9, 0.8, 0.7, 0.6]), np.array(hits), 10))
    assert found.scores == ScoreCalibration()


def test_embedder_threshold_groups_new_people_well() -> None:
    vectors, labels = faces(60, 8, noise=1.4)
    norms = np.linspace(10, 30, len(labels)).astype(np.float32)
    calibration, trials = calibrate_embedder(vectors, norms, labels)
    best = max(trial.bcubed_f1 for trial in trials)
    assert best > 0.9
    grouped = cluster_faces(vectors, threshold=calibration.match_threshold)
    assert bcubed(grouped, labels).f1 > best - 0.1
    assert calibration.norm_low == pytest.approx(10.2)
    assert calibration.norm_high == pytest.approx(29.8)
    assert ConfidenceModel.of_calibration(calibration.numbers()) == calibration.confidence
    # Some tried threshold is clearly worse: the choice matters.
    assert min(trial.bcubed_f1 for trial in trials) < best - 0.02


def test_trials_rise_by_threshold_and_repeat() -> None:
    vectors, labels = faces(20, 6, noise=1.0)
    trials = try_thresholds(vectors, labels)
    assert len(trials) == TRIALS
    thresholds = [trial.threshold for trial in trials]
    assert thresholds == sorted(thresholds)
    assert trials[0].far == pytest.approx(FAR_RANGE[0], rel=0.05)
    assert trials[-1].far <= FAR_RANGE[1]
    assert try_thresholds(vectors, labels) == trials


@pytest.fixture
def weights(tmp_path: Path, toys: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder with the toy models as the defaults."""
    folder = tmp_path / "weights"
    folder.mkdir()
    models: dict[str, dict] = {}
    for kind, source in (("detector", toys.detector), ("embedder", toys.embedder)):
        data = source.read_bytes()
        (folder / source.name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        models[kind] = {
            "toy": {
                "file": source.name,
                "sha256": digest,
                "architecture": "toy",
                "contract_id": compute_contract_id(digest, default_preprocessing(kind)),
                "preprocessing": default_preprocessing(kind),
                "calibration": {"norm_low": 1.0, "kept": 2.0},
                "metrics": {"earlier": {"value": 1}},
            }
        }
    manifest = {
        "version": 1,
        "models": models,
        "default": {"detector": "toy", "embedder": "toy"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("FACEFLOW_WEIGHTS", str(folder))
    return folder


def test_numbers_go_into_the_manifest_beside_those_of_others(weights: Path) -> None:
    contract = FaceEmbedder.from_pretrained().contract_id
    update_manifest(
        "embedder",
        contract,
        metrics={"new": {"value": 0.5}},
        calibration={"norm_low": 3.0, "match_threshold": 0.25},
    )
    entry = read_manifest(weights).models["embedder"]["toy"]
    assert entry.metrics == {"earlier": {"value": 1}, "new": {"value": 0.5}}
    assert entry.calibration == {"norm_low": 3.0, "kept": 2.0, "match_threshold": 0.25}
    assert FaceEmbedder.from_pretrained().match_threshold == 0.25
    assert sorted(path.name for path in weights.iterdir()) == [
        *("detector.onnx", "embedder.onnx", "manifest.json")
    ]


def test_a_manifest_that_does_not_fit_stays_as_it_is(weights: Path) -> None:
    file = weights / "manifest.json"
    before = file.read_bytes()
    with pytest.raises(WeightsError, match="no detector with contract id 0123"):
        update_manifest("detector", "0123456789abcdef", metrics={"a": 1})
    assert file.read_bytes() == before
    file.write_text("{}")
    with pytest.raises(WeightsError, match="not a manifest"):
        update_manifest("detector", "0123456789abcdef", metrics={"a": 1})
    file.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        update_manifest("detector", "0123456789abcdef", metrics={"a": 1})


def test_commands_write_measures_and_calibration_into_the_manifest(
    metrics_of: Callable, weights: Path, toy_photos: Any, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    lines = []
    for i in range(10):
        (photos / f"{i}.png").write_bytes(toy_photos.png(toy_photos.photo((4, 4), (12, 8))))
        x1, y1, _, _ = toy_photos.box((4, 4))
        # One of the two faces is labelled: ten false positives, one of them is allowed.
        lines += [f"{i}.png", "1", f"{x1:.0f} {y1:.0f} 120 120 0 0 0 0 0 0"]
    labels = photos / "labels.txt"
    labels.write_text("\n".join(lines) + "\n")
    people = tmp_path / "people"
    rng = np.random.default_rng(0)
    for person in range(6):
        (people / str(person)).mkdir(parents=True)
        pattern = rng.integers(0, 256, (112, 112, 3))
        for k in range(3):
            crop = np.clip(pattern + rng.integers(-9, 9, pattern.shape), 0, 255).astype(np.uint8)
            (people / str(person) / f"{k}.png").write_bytes(toy_photos.png(crop))

    metrics = metrics_of(
        *("evaluate", "calibrate", "--data", labels, "--identities", people),
        *("--update-manifest", "--threads", "1"),
    )
    entry = read_manifest(weights).models["embedder"]["toy"]
    assert entry.calibration["match_threshold"] == metrics["embedder"]["match_threshold"]
    assert entry.calibration["kept"] == 2.0
    detector = FaceDetector.from_pretrained()
    assert detector.score_threshold == metrics["detector"]["score_threshold"]
    # All twenty score alike, (250 - 10) / 255, and no threshold can part them.
    assert detector.score_threshold == pytest.approx(240 / 255, abs=1e-3)
    assert len(detector.detect(toy_photos.photo((4, 4)))) == 1  # rounding keeps it

    metrics_of("evaluate", "detector", "--data", labels, "--update-manifest")
    stored = read_manifest(weights).models["detector"]["toy"].metrics
    assert stored["earlier"] == {"value": 1}
    section = stored["detection"]
    assert isinstance(section, dict)
    assert section["faces"] == 10
    assert section["data"][0]["name"] == "labels.txt"  # type: ignore[index, call-overload]
    assert section["commit"] == git_commit()


def test_plain_values_are_json() -> None:
    vectors, labels = faces(8, 6, noise=0.5)
    calibration, trials = calibrate_embedder(vectors, np.ones(48, np.float32), labels)
    value = plain({"calibration": calibration, "trials": trials, "none": None})
    assert json.loads(json.dumps(value)) == value
    assert value["trials"][0]["far"] == trials[0].far
