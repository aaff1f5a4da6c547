"""``faceflow-ml data``: make data sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from faceflow_ml.cli._common import emit_json, progress, say
from faceflow_ml.cli._options import Json
from faceflow_ml.data.synth.album import (
    LABELS,
    TRUTH,
    AlbumSpec,
    AlbumTruth,
    DuplicateTruth,
    write_album,
)

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class SynthReport:
    """What ``data synth --json`` prints."""

    out: Path
    labels: Path
    truth: Path
    photos: int
    faces: int
    people: int
    duplicates: tuple[DuplicateTruth, ...]
    broken: tuple[str, ...]


@app.callback()
def data() -> None:
    """Make data: photos of fictional people."""


@app.command(
    epilog="Example: faceflow-ml data synth --out demo/album --people 8 --photos 60 --seed 7"
)
def synth(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write; an earlier album is replaced.")
    ],
    people: Annotated[int, typer.Option(min=1, help="How many different people.")] = 8,
    photos: Annotated[int, typer.Option(min=1, help="How many photos.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal albums.")] = 0,
    max_faces: Annotated[int, typer.Option(min=1, help="Most faces in one photo.")] = 4,
    width: Annotated[int, typer.Option(min=160, max=4096, help="Longest side, px.")] = 720,
    duplicates: Annotated[int, typer.Option(min=0, help="Copies with the same bytes.")] = 0,
    near_duplicates: Annotated[
        int, typer.Option(min=0, help="Recompressed, resized, cropped or brightened copies.")
    ] = 0,
    broken: Annotated[int, typer.Option(min=0, help="Files that are no readable image.")] = 0,
    json: Json = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a folder that is no album.")] = (
        False
    ),
) -> None:
    """Render photos of fictional people with their boxes, landmarks and identities.

    Writes JPEG photos, labels.json (everything) and truth.csv (a row a face). Near-duplicates
    and broken files come on top of the photos.
    """
    spec = AlbumSpec(
        people=people,
        photos=photos,
        seed=seed,
        faces_per_photo=(1, max_faces),
        duplicates=duplicates,
        near_duplicates=near_duplicates,
        broken=broken,
        width=width,
    )
    with progress("Rendering") as bar:
        truth = write_album(out, spec, bar.update, force=force)
    report = _report(out, truth)
    if json:
        emit_json(report)
    else:
        say(f"{report.photos} photos, {report.faces} faces of {report.people} people in {out}")


def _report(out: Path, truth: AlbumTruth) -> SynthReport:
    return SynthReport(
        out=out,
        labels=out / LABELS,
        truth=out / TRUTH,
        photos=len(truth.photos),
        faces=sum(len(photo.faces) for photo in truth.photos),
        people=truth.spec.people,
        duplicates=truth.duplicates,
        broken=truth.broken,
    )
