"""The pipeline's report on corrections: quality and drift, without who is to be left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceflow_ml.errors import FaceFlowError
from pipelines.retraining.place import read_place
from pipelines.steps.corrections import report_corrections

from .conftest import Cast, Export
from .test_drift import folders


@pytest.fixture
def place(export: Export, tmp_path: Path) -> Path:
    """Five people of one user, and one of somebody who was erased since."""
    export.users["u3"] = True
    for number in range(6, 11):
        export.say("confirm", "same", export.person(number, f"p{number}"))
    export.say("confirm", "same", export.person(11, "p", "u3"), user="u3")
    folder = tmp_path / "corrections"
    export.write(folder / "export")
    (folder / "leave-out.txt").write_text("u3\n")
    return folder


def report(place: Path, data: Path, out: Path, seen: str | None = None) -> Path:
    seen = seen or read_place(place).fingerprint
    report_corrections(place, data, out / "nobody", out, fingerprint=seen, least_faces=2)
    return out


def test_quality_and_drift_of_what_people_corrected(
    place: Path, cast: Cast, tmp_path: Path
) -> None:
    old = cast.people < 6
    folders(cast.crops[old], cast.people[old], tmp_path / "data")
    out = report(place, tmp_path / "data", tmp_path / "out")
    drift = json.loads((out / "drift/drift.json").read_text())
    assert drift["drifted"] in (True, False)
    assert drift["faces"] == {"baseline": 36, "current": 30}  # five people, not six
    assert {"detector_score", "embedding"} & {test["feature"] for test in drift["tests"]}
    for name in ("drift/report.html", "drift/distributions.png", "quality/report.html"):
        assert (out / name).stat().st_size > 1000, name
    assert "u3" not in (out / "quality/quality.json").read_text()


def test_too_few_to_tell_are_no_failure(place: Path, cast: Cast, tmp_path: Path) -> None:
    few = cast.people < 2
    folders(cast.crops[few], cast.people[few], tmp_path / "data")
    out = report(place, tmp_path / "data", tmp_path / "out")
    drift = json.loads((out / "drift/drift.json").read_text())
    assert drift["drifted"] is None and "too few" in drift["reason"]
    with pytest.raises(FaceFlowError, match="others than those that the gate saw"):
        report(place, tmp_path / "data", tmp_path / "again", "0" * 64)
