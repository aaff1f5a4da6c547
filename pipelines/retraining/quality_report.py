"""The data-quality report: quality.json, report.html and the pictures in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from faceflow_ml.data.records import ImageArray
from faceflow_ml.evaluation.contact_sheet import Tile, write_contact_sheet
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.embedder import FaceEmbedder
from pipelines.retraining.pages import Page
from pipelines.retraining.plots import plot_histogram_row
from pipelines.retraining.quality import (
    Quality,
    QualityLimits,
    Suspect,
    decode_face,
    measure_quality,
)

DOCUMENT, REPORT = "quality.json", "report.html"
_SHOWN = 16


def write_quality_report(
    source: Path, out: Path, embedder: FaceEmbedder, limits: QualityLimits | None = None
) -> Quality:
    """Measure a labelled set and write the report into the folder ``out``.

    Raises:
        FaceFlowError: there are no faces, or one cannot be read.
    """
    quality = measure_quality(source, embedder, limits)
    out.mkdir(parents=True, exist_ok=True)
    _plots(quality, out)
    _suspects(quality, out)
    _page(quality, out)
    atomic_write_text(out / DOCUMENT, json.dumps(quality.summary(), indent=2) + "\n")
    return quality


def _plots(quality: Quality, out: Path) -> None:
    limits = quality.limits
    known = quality.eye_px[np.isfinite(quality.eye_px)]
    own = quality.own_cosine[np.isfinite(quality.own_cosine)]
    plot_histogram_row(
        out / "distributions.png",
        [
            (
                "Faces of an identity (identities)",
                "faces",
                quality.counts * 1.0,
                limits.least_faces,
            ),
            ("Sharpness", "0 blurred, 1 sharp", quality.sharpness, limits.sharpness),
            ("Size in the photo", "distance of the eyes, px", known, limits.eye_px),
            ("Fit to the label", "cosine with the identity's other faces", own, None),
        ],
    )


def _suspects(quality: Quality, out: Path) -> None:
    def both(suspect: Suspect) -> ImageArray:
        faces = [decode_face(quality.samples[k]) for k in (suspect.face, suspect.other)]
        return np.concatenate(faces, axis=1)

    def alone(suspect: Suspect) -> ImageArray:
        return decode_face(quality.samples[suspect.face])

    blurred = np.argsort(quality.sharpness, kind="stable")
    blurred = blurred[quality.sharpness[blurred] < quality.limits.sharpness][:_SHOWN]
    sections: list[tuple[str, Sequence[Tile]]] = [
        ("One picture, two identities", _tiles(quality.same_picture, both)),
        ("Identities that look like one person", _tiles(quality.alike, both)),
        ("Faces unlike their identity", _tiles(quality.doubtful, alone)),
        (
            "The most blurred",
            [
                Tile(decode_face(quality.samples[k]), f"sharpness {quality.sharpness[k]:.2f}")
                for k in blurred
            ],
        ),
    ]
    write_contact_sheet(out / "suspects.jpg", sections)


def _tiles(suspects: Sequence[Suspect], draw: Callable[[Suspect], ImageArray]) -> list[Tile]:
    return [Tile(draw(suspect), f"cosine {suspect.cosine:.2f}") for suspect in suspects[:_SHOWN]]


def _page(quality: Quality, out: Path) -> None:
    found = quality.summary()
    limits = quality.limits
    lead = f"{found['faces']:,} faces of {found['identities']:,} identities."
    page = Page("Data quality", lead)
    page.table(
        ("to look at", "how many"),
        [
            (f"identities with fewer than {limits.least_faces} faces", str(found["too_few_faces"])),
            (f"faces less sharp than {limits.sharpness}", str(found["blurred"])),
            (f"faces with eyes closer than {limits.eye_px:g} px", str(found["small"])),
            ("faces of unknown size", str(len(quality.samples) - int(str(found["size_known"])))),
            ("one picture under two identities", str(len(quality.same_picture))),
            (f"identities alike by {limits.alike} or more", str(len(quality.alike))),
            ("faces unlike the rest of their identity", str(len(quality.doubtful))),
            *((f"conflicts: {kind}", str(count)) for kind, count in quality.conflicts.items()),
        ],
    )
    page.heading("Distributions")
    page.picture(out / "distributions.png", "faces of an identity, sharpness, size, fit")
    page.heading("Faces to look at")
    page.picture(out / "suspects.jpg", "suspicious faces")
    page.heading("Identities with too few faces")
    few = np.flatnonzero(quality.counts < limits.least_faces)
    page.table(
        ("identity", "faces"),
        [(quality.identities[k], str(quality.counts[k])) for k in few[:200]],
    )
    page.write(out / REPORT)
