"""``faceflow-ml detect`` and ``embed``: the faces of single photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from faceflow_ml.cli._common import EXIT_FAILED, emit_json, say
from faceflow_ml.cli._options import Detector, Embedder, Json, MinScore
from faceflow_ml.errors import ImageError

if TYPE_CHECKING:
    from faceflow_ml.inference.types import Detections, ImageArray

app = typer.Typer(add_completion=False)

Images = Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Photos.")]
MaxFaces = Annotated[
    int | None, typer.Option("--max-faces", min=1, help="Keep the best faces of a photo only.")
]


class FaceOut(BaseModel):
    """A face: ``box`` x1, y1, x2, y2 and five ``landmarks``, in pixels."""

    box: list[float]
    score: float
    landmarks: list[list[float]]


class EmbeddedOut(BaseModel):
    """A face and its vector; an image that is a crop has neither box nor landmarks."""

    box: list[float] | None
    score: float | None
    landmarks: list[list[float]] | None
    quality: float | None
    vector: list[float]


class ImageOut(BaseModel):
    """One image; ``error`` says why it could not be read."""

    path: str
    width: int | None = None
    height: int | None = None
    error: str | None = None
    faces: list[FaceOut] | list[EmbeddedOut] = []


class Document(BaseModel):
    """What ``--json`` prints; ``models`` are contract ids."""

    models: dict[str, str]
    images: list[ImageOut]


@app.command(epilog="Example: faceflow-ml detect party.jpg --json")
def detect(
    images: Images,
    json_output: Json = False,
    detector: Detector = None,
    min_score: MinScore = None,
    max_faces: MaxFaces = None,
) -> None:
    """Find the faces in photos: boxes, landmarks, scores, best first.

    Exits with 1 if any photo cannot be read; the others are printed all the same.
    """
    from faceflow_ml.inference.detector import FaceDetector

    model = FaceDetector.from_pretrained(detector)
    document = Document(models={"detector": model.contract_id}, images=[])
    for entry, pixels in _load(images):
        if pixels is not None:
            found = model.detect(pixels, score_threshold=min_score, max_faces=max_faces)
            entry.faces = _faces(found)
        document.images.append(entry)
    _finish(document, json_output)


@app.command(epilog="Example: faceflow-ml embed party.jpg --json")
def embed(
    images: Images,
    json_output: Json = False,
    detector: Detector = None,
    embedder: Embedder = None,
    min_score: MinScore = None,
    max_faces: MaxFaces = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The images are aligned 112x112 faces themselves.")
    ] = False,
) -> None:
    """Turn the faces in photos into vectors of 512 numbers.

    Vectors of one embedder can be compared by their dot product; those of different embedders,
    told by the contract id, never. Exits with 1 if any photo cannot be read; the others are
    printed all the same.
    """
    document = (
        _embed_crops(images, embedder)
        if aligned
        else _embed_photos(images, detector, embedder, min_score, max_faces)
    )
    _finish(document, json_output)


def _embed_photos(
    images: Sequence[Path],
    detector: str | None,
    embedder: str | None,
    min_score: float | None,
    max_faces: int | None,
) -> Document:
    from faceflow_ml.inference.pipeline import FacePipeline

    pipeline = FacePipeline.from_pretrained(detector=detector, embedder=embedder)
    document = Document(
        models={
            "detector": pipeline.detector.contract_id,
            "embedder": pipeline.embedder.contract_id,
        },
        images=[],
    )
    for entry, pixels in _load(images):
        if pixels is not None:
            result = pipeline.run(pixels, score_threshold=min_score, max_faces=max_faces)
            entry.faces = [
                EmbeddedOut(
                    box=face.box,
                    score=face.score,
                    landmarks=face.landmarks,
                    quality=round(float(quality), 4),
                    vector=vector.tolist(),
                )
                for face, quality, vector in zip(
                    _faces(result.detections), result.quality, result.vectors, strict=True
                )
            ]
        document.images.append(entry)
    return document


def _embed_crops(images: Sequence[Path], embedder: str | None) -> Document:
    from faceflow_ml.inference.embedder import FaceEmbedder
    from faceflow_ml.inference.types import CROP_SIZE

    model = FaceEmbedder.from_pretrained(embedder)
    document = Document(models={"embedder": model.contract_id}, images=[])
    for entry, pixels in _load(images):
        if pixels is not None and pixels.shape[:2] != (CROP_SIZE, CROP_SIZE):
            entry.error = (
                f"expected an aligned face of {CROP_SIZE} x {CROP_SIZE} pixels, "
                f"got {entry.width} x {entry.height}"
            )
        elif pixels is not None:
            vector = model.embed(pixels[None])[0].tolist()
            entry.faces = [
                EmbeddedOut(box=None, score=None, landmarks=None, quality=None, vector=vector)
            ]
        document.images.append(entry)
    return document


def _load(images: Sequence[Path]) -> Iterator[tuple[ImageOut, ImageArray | None]]:
    """Each image with its pixels, or with an error and None."""
    from faceflow_ml.inference.images import load_image

    for path in images:
        try:
            pixels = load_image(path)
        except ImageError as error:
            reason = str(error).removeprefix(f"{path.name!r}: ")
            yield ImageOut(path=str(path), error=reason), None
        else:
            height, width = pixels.shape[:2]
            yield ImageOut(path=str(path), width=width, height=height), pixels


def _faces(found: Detections) -> list[FaceOut]:
    return [
        FaceOut(
            box=[round(float(value), 2) for value in box],
            score=round(float(score), 4),
            landmarks=[[round(float(value), 2) for value in point] for point in points],
        )
        for box, score, points in zip(found.boxes, found.scores, found.landmarks, strict=True)
    ]


def _finish(document: Document, json_output: bool) -> None:
    if json_output:
        emit_json(document)
    else:
        for image in document.images:
            for face in image.faces:
                place = (
                    "aligned face" if face.box is None else " ".join(f"{v:.0f}" for v in face.box)
                )
                score = "" if face.score is None else f"  score {face.score:.3f}"
                vector = ""
                if isinstance(face, EmbeddedOut):
                    vector = "  [" + " ".join(f"{v:+.3f}" for v in face.vector[:4]) + " ...]"
                typer.echo(f"{image.path}: {place}{score}{vector}")
            if not image.faces and image.error is None:
                typer.echo(f"{image.path}: no face")
    failed = [image for image in document.images if image.error is not None]
    for image in failed:
        say(f"{image.path}: {image.error}")
    if failed:
        raise typer.Exit(EXIT_FAILED)
