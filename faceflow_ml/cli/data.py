"""``faceflow-ml data``: make data sets, and put their labels right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceflow_ml.cli._common import emit_json, progress, say
from faceflow_ml.cli._options import Detector, Embedder, Json, Threads
from faceflow_ml.data.label_cleaning import Merge
from faceflow_ml.data.synth.album import (
    LABELS,
    TRUTH,
    AlbumSpec,
    AlbumTruth,
    DuplicateTruth,
    write_album,
)
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.types import EMBEDDING_DIM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from faceflow_ml.data.records import IdentitySample
    from faceflow_ml.inference.embedder import FaceEmbedder

app = typer.Typer(add_completion=False)

_BATCH = 64  # faces embedded between two steps of the progress bar


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


@dataclass(frozen=True)
class CleanReport:
    """What ``data clean --json`` prints."""

    out: Path
    faces: int
    identities: int
    dropped: int
    merges: tuple[Merge, ...]


@dataclass(frozen=True)
class StrangersReport:
    """What ``data strangers --json`` prints; ``strangers`` of ``faces`` were kept."""

    out: Path
    photos: int
    faces: int
    strangers: int


@app.callback()
def data() -> None:
    """Make data: photos of fictional people, cleaner labels of real ones, more people."""


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


@app.command(
    epilog="Example: faceflow-ml data clean ../shared/data/identities --out runs/labels.csv, then "
    "faceflow-ml train embedder --config FILE data.labels=runs/labels.csv"
)
def clean(
    source: Annotated[
        Path, typer.Argument(metavar="PATH", help="Aligned faces: Parquet, or a folder a person.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="CSV to write.")],
    embedder: Embedder = None,
    merge_cosine: Annotated[
        float, typer.Option(min=0, max=1, help="Least cosine of two labels' centres to be one.")
    ] = 0.6,
    merge_gap: Annotated[
        float, typer.Option(min=0, max=1, help="How much further the next nearest label must be.")
    ] = 0.1,
    keep_cosine: Annotated[
        float, typer.Option(min=-1, max=1, help="Least cosine of a face to its label's centre.")
    ] = 0.35,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Find people under two labels, and faces of somebody else, in aligned training faces.

    Only labels of different sets are merged: within a set they are different people. Writes the
    better labels for data.labels of a training configuration; the data stay as they are.
    """
    from faceflow_ml.data.identity_sources import read_identities
    from faceflow_ml.data.label_cleaning import clean_labels, write_labels
    from faceflow_ml.inference.embedder import FaceEmbedder

    samples = read_identities(source, "train")
    vectors = _embed(FaceEmbedder.from_pretrained(embedder, threads=threads), samples)
    cleaned = clean_labels(
        vectors,
        [sample.identity for sample in samples],
        [sample.source for sample in samples],
        merge_cosine=merge_cosine,
        merge_gap=merge_gap,
        keep_cosine=keep_cosine,
    )
    write_labels(out, samples, cleaned.identities)
    report = CleanReport(
        out=out,
        faces=len(samples),
        identities=len(set(cleaned.identities) - {None}),
        dropped=cleaned.dropped,
        merges=cleaned.merges,
    )
    if json:
        emit_json(report)
        return
    for merge in cleaned.merges:
        say(
            f"{merge.identity} is {merge.into}: cosine {merge.cosine:.2f}, "
            f"next {merge.next_cosine:.2f}"
        )
    say(
        f"{len(cleaned.merges)} labels merged and {cleaned.dropped} of {len(samples)} faces left "
        f"out: {out}"
    )


@app.command(
    epilog="Example: faceflow-ml data strangers ../shared/data/detection --known "
    "../shared/data/identities --out runs/strangers.parquet, then faceflow-ml train embedder "
    "--config FILE data.strangers=runs/strangers.parquet"
)
def strangers(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Photos: Parquet, Pascal VOC, COCO, WIDER FACE or an album of data synth.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Parquet to write.")],
    known: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Aligned faces of the people that training knows by name."
        ),
    ] = None,
    detector: Detector = None,
    embedder: Embedder = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Least score of a face.")] = 0.6,
    min_eye_px: Annotated[
        float, typer.Option(min=0, help="Least distance of its eyes in the photo, px.")
    ] = 10.0,
    max_cosine: Annotated[
        float,
        typer.Option(min=-1, max=1, help="From this cosine on two faces may be one person."),
    ] = 0.6,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Cut faces of people without names out of photos: more people to be told apart from.

    Keeps one face a person, and none that may be one of the known people. Writes aligned faces for
    data.strangers of a training configuration. The photos' labels are not read.
    """
    import numpy as np

    from faceflow_ml.data.identity_sources import read_identities
    from faceflow_ml.data.label_cleaning import identity_centres
    from faceflow_ml.data.strangers import cut_out_faces, different_people, write_strangers
    from faceflow_ml.evaluation.photo_sources import read_labelled_photos
    from faceflow_ml.inference.pipeline import FacePipeline

    photos = read_labelled_photos(source, "train")
    people = [] if known is None else read_identities(known, "train")
    pipeline = FacePipeline.from_pretrained(detector=detector, embedder=embedder, threads=threads)
    centres = np.zeros((0, EMBEDDING_DIM), np.float32)
    if people:
        vectors = _embed(pipeline.embedder, people)
        centres = identity_centres(vectors, [person.identity for person in people])
    with progress("Finding faces") as bar:
        faces = cut_out_faces(
            photos, pipeline, min_score=min_score, min_eye_px=min_eye_px, on_progress=bar.update
        )
    best_first = np.argsort(-faces.scores, kind="stable")
    chosen = best_first[different_people(faces.vectors[best_first], centres, max_cosine)]
    if not len(chosen):
        raise FaceFlowError(f"{source}: no stranger among the {len(faces.names)} faces found")
    write_strangers(out, faces, np.sort(chosen).tolist())
    report = StrangersReport(out, len(photos), len(faces.names), len(chosen))
    if json:
        emit_json(report)
    else:
        say(
            f"{report.strangers} strangers among {report.faces} faces in {report.photos} photos: "
            f"{out}"
        )


def _embed(model: FaceEmbedder, samples: Sequence[IdentitySample]) -> NDArray[np.float32]:
    """Embed aligned faces as ``(n, 512)`` L2-normalised vectors, with a progress bar."""
    import numpy as np

    from faceflow_ml.data.identities import face_pixels

    vectors = np.empty((len(samples), EMBEDDING_DIM), np.float32)
    with progress("Embedding") as bar:
        for start in range(0, len(samples), _BATCH):
            part = samples[start : start + _BATCH]
            faces = np.stack([face_pixels(sample) for sample in part])
            vectors[start : start + len(part)] = model.embed(faces)
            bar.update(start + len(part), len(samples))
    return vectors
