"""Drift is told from chance."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from typer.testing import CliRunner

from faceflow_ml import FaceEmbedder
from faceflow_ml.errors import FaceFlowError
from pipelines.retraining.cli import app
from pipelines.retraining.drift.compare import DriftConfig, compare
from pipelines.retraining.drift.observations import Observations, features
from pipelines.retraining.drift.statistics import (
    bin_edges,
    gaussian_kernel,
    kolmogorov_smirnov,
    population_stability_index,
    shares,
    squared_mmd,
)

from .conftest import Cast

FEW = DriftConfig(samples=40)


def seen(
    people: int,
    *,
    faces: int = 4,
    seed: int = 0,
    scale: float = 1.0,
    shift: float = 0.0,
    contract: str = "c",
) -> Observations:
    """Observations of people around their own centres; ``shift`` moves everybody the same way."""
    rng = np.random.default_rng(seed)
    centers = np.repeat(rng.normal(size=(people, 512)), faces, axis=0)
    vectors = centers + 0.7 * rng.normal(size=centers.shape)
    vectors[:, 0] += shift * 20
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    n = len(vectors)
    # Norms of one person are alike, as they are in life.
    norms = 20 * scale + np.repeat(rng.normal(size=people), faces) + 0.3 * rng.normal(size=n)
    return Observations(
        contract,
        vectors.astype(np.float32),
        norms.astype(np.float32),
        rng.uniform(0.6, 1, n).astype(np.float32),
        np.full(n, np.nan, np.float32),
        np.repeat(np.arange(people), faces),
    )


def test_statistics_against_known_values() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=300), rng.normal(0.4, 1.2, size=200)
    assert kolmogorov_smirnov(a, b) == pytest.approx(ks_2samp(a, b).statistic)
    edges = bin_edges(a)
    np.testing.assert_allclose(shares(a, edges), 0.1, atol=0.005)
    expected = (0.6 - 0.5) * np.log(0.6 / 0.5) + (0.4 - 0.5) * np.log(0.4 / 0.5)
    index = population_stability_index(np.array([0.5, 0.5]), np.array([0.6, 0.4]))
    assert index == pytest.approx(expected)


def test_mmd_is_the_distance_of_mean_embeddings() -> None:
    points = seen(10).vectors[:12]
    kernel = gaussian_kernel(points, points)
    first, second = np.arange(5), np.arange(5, 12)
    by_hand = (
        kernel[np.ix_(first, first)].mean()
        + kernel[np.ix_(second, second)].mean()
        - 2 * kernel[np.ix_(first, second)].mean()
    )
    assert squared_mmd(kernel, first, second) == pytest.approx(by_hand)
    assert squared_mmd(kernel, first, first) == 0


def test_chance_alone_is_no_drift() -> None:
    alarms = [compare(seen(60), seen(15, seed=seed), FEW).drifted for seed in range(1, 9)]
    assert sum(alarms) <= 1


@pytest.mark.parametrize(
    ("current", "feature"),
    [(seen(20, seed=1, scale=0.8), "norm"), (seen(20, seed=1, shift=1.0), "embedding")],
)
def test_what_drifted_is_named(current: Observations, feature: str) -> None:
    drift = compare(seen(60), current, FEW)
    assert feature in {test.feature for test in drift.tests if test.drifted}


def test_many_faces_of_few_people_are_not_taken_for_drift() -> None:
    # A face a time, 80 faces would be sure of a shift that three people show by chance.
    alarms = [compare(seen(60), seen(3, faces=27, seed=s), FEW).drifted for s in range(1, 7)]
    assert sum(alarms) <= 1


def test_pairs_of_one_person_and_of_two_are_kept_apart() -> None:
    found = features(seen(30))
    assert found.values["same_cosine"].min() > found.values["other_cosine"].mean() + 0.3
    assert "eye_px" not in found.values  # nobody knows it


def test_embedders_are_not_compared_with_each_other() -> None:
    with pytest.raises(FaceFlowError, match="anew"):
        compare(seen(60), seen(20, contract="other"), FEW)


def test_too_few_people_cannot_tell_chance() -> None:
    with pytest.raises(FaceFlowError, match="too few"):
        compare(seen(3, faces=20), seen(20), FEW)


def folders(crops: NDArray[np.uint8], people: NDArray[np.int64], root: Path) -> None:
    for row, (crop, person) in enumerate(zip(crops, people, strict=True)):
        file = root / f"p{person}" / f"{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))


def test_the_program_reads_and_writes_where_sagemaker_puts_things(
    cast: Cast, embedder: FaceEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    root = tmp_path / "processing"
    old = cast.people < 6
    folders(cast.crops[old], cast.people[old], root / "input/data")
    dark = np.stack([cv2.GaussianBlur(crop, (0, 0), 5) // 3 for crop in cast.crops[~old]])
    folders(dark.astype(np.uint8), cast.people[~old], root / "input/current")
    run = CliRunner()
    assert run.invoke(app, ["baseline"], catch_exceptions=False).exit_code == 0
    baseline = root / "output/baseline"
    command = ["drift", "--baseline", str(baseline), "--samples", "20", "--json"]
    done = run.invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0  # drift is a finding, no failure of the job
    document = json.loads((root / "output/drift/drift.json").read_text())
    assert document == json.loads(done.stdout)
    assert document["drifted"] and document["people"] == {"baseline": 6, "current": 6}
    assert {"norm", "other_cosine", "embedding"} <= {test["feature"] for test in document["tests"]}
    for name in ("report.html", "distributions.png", "tests.png"):
        assert (root / "output/drift" / name).stat().st_size > 1000
    assert run.invoke(app, [*command, "--exit-code"], catch_exceptions=False).exit_code == 3
    same = [*command, "--current", str(root / "input/data"), "--exit-code"]
    assert run.invoke(app, same, catch_exceptions=False).exit_code == 0
