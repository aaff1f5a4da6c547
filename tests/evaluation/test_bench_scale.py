"""`bench scale`: the made-up vectors, each task at a small size, the page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceflow_ml.benchmark import scale_worker
from faceflow_ml.benchmark.mixture import THRESHOLD, draw_mixture
from faceflow_ml.benchmark.processes import peak_resident_mib, run_module


@pytest.fixture(scope="module", autouse=True)
def importable(pytestconfig: pytest.Config) -> Any:
    """Processes of their own find the package here."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(pytestconfig.rootpath), prepend=os.pathsep)
    yield
    patch.undo()


def test_the_mixture_is_as_described() -> None:
    mixture = draw_mixture(3000, seed=1)
    assert mixture.vectors.shape == (3000, 512) and mixture.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(mixture.vectors, axis=1), 1, atol=1e-5)
    sizes = np.bincount(mixture.people)
    assert (sizes == 1).sum() >= 300 and sizes.max() > 30
    similarity = mixture.vectors @ mixture.vectors.T
    same = mixture.people[:, None] == mixture.people
    np.fill_diagonal(same, False)
    assert 0.45 < similarity[same].mean() < 0.65
    strangers = similarity[~same & ~np.eye(3000, dtype=bool)]
    assert 1e-5 < (strangers >= THRESHOLD).mean() < 1e-3
    assert len(np.unique(mixture.days)) == 6
    again = draw_mixture(3000, seed=1)
    assert np.array_equal(mixture.vectors, again.vectors)


def test_tasks_measure_what_they_say() -> None:
    found = scale_worker.cluster(1500)
    assert found["bcubed_f1"] > 0.9 and found["seconds"] > 0
    assert scale_worker.assign(600)["right"] > 0.8
    near = scale_worker.hashes(2000)
    assert near["recall"] == 1.0 and near["pairs"] >= 40


def test_memory_is_that_of_the_process_and_not_of_its_parent(tmp_path: Path) -> None:
    ballast = np.ones(80 * 2**20)  # 640 MB here, which the child must not be charged with
    cost = run_module(["faceflow_ml.benchmark.scale_worker", "hashes", "200", str(tmp_path / "x")])
    own = peak_resident_mib("self")
    assert own is not None and own > ballast.nbytes / 2**20
    assert cost.peak_mib is not None and 20 < cost.peak_mib < 500
    assert peak_resident_mib(2**30) is None


def test_the_command_writes_a_page(evaluate: Callable, tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    folder = tmp_path / "no-photos"
    folder.mkdir()
    result = evaluate(
        *("bench", "scale", "--sizes", "900,300", "--out", page, "--json", "--data", folder)
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [row["n"] for row in document["whole"]] == [300, 900]
    assert document["real"] is None
    assert all(row["peak_mib"] > 20 for row in document["sharded"])
    text = page.read_text(encoding="utf-8")
    assert "do not edit" in text and "to the power of" in text
    row = document["whole"][1]
    assert f"| {row['bcubed_f1']:.4f} | {row['precision']:.4f} |" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sizes", "many"], "expected numbers"),
        (["--sizes", "5"], "at least 100"),
        (["--data", "absent"], "absent"),
    ],
)
def test_bad_usage(evaluate: Callable, options: list[str], message: str) -> None:
    result = evaluate("bench", "scale", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
