"""The benchmark: bars, the page, and a small run with toy models."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from typer.testing import CliRunner

from faceflow_ml.benchmark.bars import Bar
from faceflow_ml.benchmark.timing import Stopwatch, time_call
from faceflow_ml.cli import app
from faceflow_ml.inference.threads import one_opencv_thread


@pytest.mark.parametrize(
    ("value", "limit", "at_least", "met"),
    [
        (0.9, 0.85, True, True),
        (0.85, 0.85, True, True),
        (0.84, 0.85, True, False),
        (31, 30, False, False),
        (30, 30, False, True),
        (None, 30, False, None),
    ],
)
def test_bars(value: float | None, limit: float, at_least: bool, met: bool | None) -> None:
    assert Bar("", value, limit, at_least=at_least, unit="").met is met


def test_timing_is_of_the_call_alone() -> None:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        # The warm-up is slow, as first calls are.
        time.sleep(0.05 if calls <= 2 else 0.004)

    timing = time_call(call, runs=5, warm_up=2)
    assert calls == 7
    assert timing.runs == 5
    assert 4 <= timing.median_ms < 40
    assert timing.median_ms <= timing.p90_ms
    with pytest.raises(ValueError, match="runs"):
        time_call(call, runs=0)


def test_stopwatch_divides_among_faces_and_leaves_out_photos_without() -> None:
    watch = Stopwatch()
    for faces in (0, 5):
        with watch("embed", per=faces):
            time.sleep(0.02)
    (passed,) = watch.milliseconds["embed"]
    assert 4 <= passed < 20


def test_opencv_threads_are_given_back() -> None:
    before = cv2.getNumThreads()
    with one_opencv_thread():
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before


@pytest.fixture(scope="module")
def run(toys: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, str]:
    """A benchmark of a small album with toy models: its JSON and its page."""
    page = tmp_path_factory.mktemp("bench") / "docs" / "benchmarks.md"
    result = CliRunner().invoke(
        app,
        [
            *("bench", "--no-quality", "--no-peers", "--photos", "3", "--out", str(page), "--json"),
            *("--detector", str(toys.detector), "--embedder", str(toys.embedder)),
        ],
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), page.read_text(encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def importable(pytestconfig: pytest.Config) -> Any:
    """The command is measured in a process of its own, which finds the package here."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(pytestconfig.rootpath), prepend=os.pathsep)
    yield
    patch.undo()


def test_everything_is_measured(run: tuple[dict, str]) -> None:
    result, _ = run
    times = result["model_times"]
    for name in ("detector", "embedder", "embedder_batch"):
        assert times[name]["runs"] >= 30
        assert 0 < times[name]["median_ms"] <= times[name]["p90_ms"]
    # 3 photos and 5 near-duplicates; 3 copies are analysed with their originals.
    assert result["throughput"]["photos"] == 8
    assert result["stages"]["photos"] == 11
    seconds = result["throughput"]["seconds"]
    assert result["throughput"]["photos_per_second"] == pytest.approx(8 / seconds, rel=5e-3)
    assert result["throughput"]["seconds_warm"] < seconds
    assert 50 < result["throughput"]["peak_mib"] < 4000
    assert result["environment"]["cores"] >= 1
    assert result["quality"]["pairs"] is None


def test_bars_that_were_not_measured_are_neither_met_nor_missed(run: tuple[dict, str]) -> None:
    met = {bar["name"]: bar["met"] for bar in run[0]["bars"]}
    median = run[0]["model_times"]["detector"]["median_ms"]
    assert met["detector at 640x480"] is (median <= 12)
    assert met["synthetic album BCubed F"] is False  # the toy finds nobody there
    assert met["lfw_dev accuracy"] is None
    assert len(met) == 11


def test_the_page_holds_what_the_json_holds(run: tuple[dict, str]) -> None:
    result, page = run
    assert "do not edit" in page
    assert f"| measured | {result['created']} |" in page
    for model in result["models"]:
        assert model["contract_id"] in page
    detector = next(line for line in page.splitlines() if line.startswith("| detector at 640"))
    assert "| ≤ 12.0 ms |" in detector
    assert f"{result['model_times']['detector']['median_ms']:.1f} ms" in detector
    assert "| synthetic album BCubed F |" in page and "| **no** |" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_data_that_is_not_there_is_bad_usage(evaluate: Callable, tmp_path: Path) -> None:
    result = evaluate("bench", "--data", tmp_path / "absent")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "absent" in result.stderr
