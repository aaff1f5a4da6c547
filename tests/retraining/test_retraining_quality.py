"""The data-quality report sees what is wrong with a set of labelled faces."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from faceflow_ml import FaceEmbedder
from pipelines.retraining.quality import QualityLimits, measure_quality
from pipelines.retraining.quality_report import write_quality_report

from .conftest import Cast


def lay_out(cast: Cast, root: Path) -> None:
    """A folder a person; the first person's first face also under another, one face blurred."""
    for number in range(4):
        (root / f"p{number}").mkdir(parents=True)
        for k, row in enumerate(np.flatnonzero(cast.people == number)[: 6 - 2 * (number == 3)]):
            save(cast.crops[row], root / f"p{number}" / f"{k}.png")
    save(cast.crops[0], root / "p1" / "stray.png")
    blurred = cv2.GaussianBlur(cast.crops[1], (0, 0), 6)
    save(np.asarray(blurred, np.uint8), root / "p0" / "blurred.png")


def save(face: np.ndarray, file: Path) -> None:
    cv2.imwrite(str(file), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))


def test_it_finds_strays_blur_and_people_with_too_few_faces(
    cast: Cast, embedder: FaceEmbedder, tmp_path: Path
) -> None:
    lay_out(cast, tmp_path / "people")
    quality = write_quality_report(
        tmp_path / "people", tmp_path / "out", embedder, QualityLimits(least_faces=5)
    )
    names = [sample.name for sample in quality.samples]
    (pair,) = [{names[s.face], names[s.other]} for s in quality.same_picture]
    assert pair == {"p0/0.png", "p1/stray.png"}
    assert names[int(np.argmin(quality.sharpness))] == "p0/blurred.png"
    assert [quality.identities[k] for k in np.flatnonzero(quality.counts < 5)] == ["people/p3"]
    document = json.loads((tmp_path / "out/quality.json").read_text())
    assert document["faces"] == 24 and document["too_few_faces"] == 1
    assert document["size_known"] == 0 and document["same_picture_two_identities"] == 1
    page = (tmp_path / "out/report.html").read_text()
    assert "people/p3" in page and page.count("data:image/") == 2 and "http" not in page


def test_a_stray_fits_its_identity_less_than_the_others(
    cast: Cast, embedder: FaceEmbedder, tmp_path: Path
) -> None:
    lay_out(cast, tmp_path / "people")
    quality = measure_quality(tmp_path / "people", embedder)
    names = [sample.name for sample in quality.samples]
    own = {
        name: cosine
        for name, cosine in zip(names, quality.own_cosine.tolist(), strict=True)
        if name.startswith("p1/")
    }
    assert min(own, key=lambda name: own[name]) == "p1/stray.png"
