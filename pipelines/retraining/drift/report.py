"""The drift program: reads a baseline and what came in, writes drift.json, report.html, plots."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceflow_ml.files import atomic_write_bytes, atomic_write_text
from faceflow_ml.inference.embedder import FaceEmbedder
from pipelines.retraining.drift.compare import Drift, DriftConfig, Test, compare
from pipelines.retraining.drift.observations import Observations, TooFewError, observe
from pipelines.retraining.pages import Page
from pipelines.retraining.plots import plot_bars, plot_distributions

BASELINE = "baseline.npz"
DOCUMENT, REPORT = "drift.json", "report.html"
_SAID = {"psi": "PSI", "ks": "KS", "mmd": "MMD²"}


def write_baseline(data: Path, out: Path, embedder: FaceEmbedder, *, limit: int = 4000) -> Path:
    """Observe the training data and keep that as ``out/baseline.npz``."""
    seen = observe(data, embedder, limit=limit)
    atomic_write_bytes(out / BASELINE, seen.to_bytes())
    return out / BASELINE


def read_baseline(source: Path, embedder: FaceEmbedder) -> Observations:
    """A kept baseline (the file, or its folder), or data to observe now."""
    file = source / BASELINE if (source / BASELINE).is_file() else source
    if file.suffix == ".npz":
        return Observations.from_file(file)
    return observe(source, embedder)


def run_drift(
    baseline: Path,
    current: Path,
    out: Path,
    embedder: FaceEmbedder,
    config: DriftConfig,
    *,
    leave_out: Collection[str] = (),
) -> Drift:
    """Compare and write the report.

    ``drift.json`` has ``drifted`` (a boolean), ``tests`` and the numbers of faces and people.

    leave_out: pseudonyms of users of ``current`` to pass over.

    Raises:
        TooFewError: there is too little to compare.
        FaceFlowError: the embedders differ, or faces are unreadable.
    """
    now = observe(current, embedder, leave_out=leave_out)
    drift = compare(read_baseline(baseline, embedder), now, config)
    if not drift.tests:
        raise TooFewError("nothing to compare: no feature is known of both")
    out.mkdir(parents=True, exist_ok=True)
    shared = [name for name in drift.baseline.values if name in drift.current.values]
    pairs = {name: (drift.baseline.values[name], drift.current.values[name]) for name in shared}
    captions = {name: _caption(drift, name) for name in shared}
    plot_distributions(out / "distributions.png", pairs, captions, ("baseline", "current"))
    plot_bars(
        out / "tests.png",
        [f"{test.feature} {_SAID[test.statistic]}" for test in drift.tests],
        [test.value / test.threshold for test in drift.tests],
        limit=1.0,
        xlabel="value as a multiple of its threshold",
        title="Distance from the baseline",
    )
    _page(drift, out)
    atomic_write_text(out / DOCUMENT, json.dumps(document(drift, config), indent=2) + "\n")
    return drift


def document(drift: Drift, config: DriftConfig) -> dict[str, Any]:
    """What ``drift.json`` says."""
    return {
        "drifted": drift.drifted,
        "tests": [{**asdict(test), "drifted": test.drifted} for test in drift.tests],
        "faces": {"baseline": drift.faces[0], "current": drift.faces[1]},
        "people": {"baseline": drift.people[0], "current": drift.people[1]},
        "config": config.model_dump(),
    }


def verdict(drift: Drift) -> str:
    """One line."""
    over = sorted({test.feature for test in drift.tests if test.drifted})
    if not over:
        return "No drift: every distance is within what the baseline shows by chance."
    return f"Drift: {', '.join(over)} differ from the baseline by more than chance."


def _caption(drift: Drift, feature: str) -> str:
    tests = [test for test in drift.tests if test.feature == feature]
    return "  ".join(
        f"{_SAID[test.statistic]} {test.value:.3f}{'!' if test.drifted else ''} "
        f"({test.threshold:.3f})"
        for test in tests
    )


def _page(drift: Drift, out: Path) -> None:
    page = Page("Drift of incoming faces", verdict(drift))
    page.text(
        f"{drift.faces[1]:,} faces of {drift.people[1]:,} people against {drift.faces[0]:,} of "
        f"{drift.people[0]:,} in the baseline."
    )
    page.picture(out / "tests.png", "each distance as a multiple of its threshold")
    page.heading("Distributions")
    page.picture(out / "distributions.png", "distributions of the baseline and of now")
    page.heading("Tests")
    page.table(
        ("feature", "statistic", "value", "threshold", ""),
        [_cells(test) for test in drift.tests],
    )
    page.write(out / REPORT)


def _cells(test: Test) -> tuple[str, ...]:
    word = "drifted" if test.drifted else ""
    value, threshold = f"{test.value:.4f}", f"{test.threshold:.4f}"
    return test.feature, _SAID[test.statistic], value, threshold, word
