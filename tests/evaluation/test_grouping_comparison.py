"""The comparison of ways to group, and how true confidence is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceflow_ml.benchmark import grouping
from faceflow_ml.benchmark.grouping import Candidate, LabelledVectors, compare_groupings
from faceflow_ml.clustering.batch import cluster_faces
from faceflow_ml.evaluation.grouping_confidence import (
    measure_confidence,
)
from faceflow_ml.evaluation.logistic import fit_logistic
from faceflow_ml.evaluation.reliability import reliability


@pytest.fixture(autouse=True)
def few_piles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "TUNING_PILES", 3)
    monkeypatch.setattr(grouping, "CHECK_PILES", 6)
    monkeypatch.setattr(grouping, "TRIALS", 5)


def faces(people: int, each: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(people), each)
    vectors = rng.normal(size=(people, 64))[labels]
    vectors = vectors + noise * rng.normal(size=vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def good(vectors: Any, photos: Any, threshold: float) -> Any:
    return cluster_faces(vectors, photos, threshold=threshold)


def nothing(vectors: Any, photos: Any, threshold: float) -> Any:
    return np.full(len(vectors), -1)


def absent(vectors: Any, photos: Any, threshold: float) -> Any:
    raise ModuleNotFoundError("absent")


def test_the_better_way_wins_and_a_missing_one_is_named() -> None:
    vectors, labels = faces(24, 8, noise=1.0)
    album = LabelledVectors(vectors[:80], labels[:80], np.arange(80))
    candidates = [Candidate("good", good), Candidate("none", nothing), Candidate("gone", absent)]
    found = compare_groupings(vectors, labels, synthetic=[album], candidates=candidates)
    assert found.missing == ("gone",)
    assert [result.name for result in found.results] == ["good", "none"]
    better, worse = found.results
    assert better.bcubed_f1.mean > 0.9 > 0.7 > worse.bcubed_f1.mean
    assert better.gain == 0.0 and worse.gain < -0.2 and worse.gain_error > 0
    assert worse.gain == pytest.approx(worse.bcubed_f1.mean - better.bcubed_f1.mean)
    assert better.edits.mean < worse.edits.mean
    assert better.synthetic_bcubed_f1 == pytest.approx(1.0, abs=0.1)
    assert 0 < better.thresholds[0] < 1


def test_too_few_people() -> None:
    with pytest.raises(ValueError, match="at least 4 people"):
        compare_groupings(*faces(3, 8, noise=1.0))


def test_confidence_keeps_its_word_on_new_people() -> None:
    quality = measure_confidence(*faces(80, 12, noise=1.9), threshold=0.2)
    for part in (quality.groups, quality.members):
        assert 0.05 < part.base_rate < 0.99
        assert part.calibration_error < 0.08
        assert part.brier < part.base_rate * (1 - part.base_rate), "better than the base rate"


def test_logistic_regression_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(20000), rng.normal(size=20000)])
    outcome = rng.random(20000) < 1 / (1 + np.exp(-(x @ [0.5, -2.0])))
    np.testing.assert_allclose(fit_logistic(x, outcome), [0.5, -2.0], atol=0.1)


def test_reliability_by_hand() -> None:
    found = reliability(np.array([0.05, 0.05, 1.0, 0.95]), np.array([False, True, True, True]))
    assert [(b.count, b.observed) for b in found.bins] == [(2, 0.5), (2, 1.0)]
    assert found.calibration_error == pytest.approx((0.45 + 0.025) / 2)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 4)
    with pytest.raises(ValueError, match="at least one"):
        reliability(np.empty(0), np.empty(0, bool))


def test_the_command_writes_page_picture_and_report(
    evaluate: Callable[..., Any], toys: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for person in range(8):
        folder = tmp_path / "people" / f"p{person}"
        folder.mkdir(parents=True)
        look = rng.integers(0, 255, (7, 7, 3))
        for k in range(5):
            crop = np.clip(look + rng.normal(0, 40, look.shape), 0, 255).astype(np.uint8)
            crop = cv2.resize(crop, (112, 112), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(folder / f"{k}.png"), crop)
    page, picture = tmp_path / "docs" / "grouping.md", tmp_path / "docs" / "images" / "r.png"
    result = evaluate(
        "evaluate", "grouping", "--identities", tmp_path / "people", "--embedder", toys.embedder,
        "--no-synthetic", "--page", page, "--picture", picture, "--out", tmp_path, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "report.json").read_text())
    text = page.read_text(encoding="utf-8")
    best = report["metrics"]["comparison"]["results"][0]
    assert f"| {best['name']} |" in text and f"{best['bcubed_f1']['mean']:.4f}" in text
    assert "](images/r.png)" in text and picture.read_bytes().startswith(b"\x89PNG")
    assert best["synthetic_bcubed_f1"] is None and "not measured" in text
