"""The export of corrections, as ``python -m api export-corrections`` writes it into a folder, or as
archives of single users, see `sources`.

``corrections.json`` says what is in the folder; ``faces.jsonl`` has a line a face, whose vector is
the same row of ``vectors.npy`` (n, 512) float32, zeros for none, and whose aligned picture lies
under ``crops/``; ``decisions.jsonl`` has a line a statement. docs/retraining.md has every field.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from faceflow_ml.data.records import ImageArray, decode_rgb
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.types import EMBEDDING_DIM
from pipelines.retraining.sources import (
    MANIFEST,
    Source,
    Stored,
    is_export,
    published_at,
    sources,
)

FACES, VECTORS, DECISIONS = "faces.jsonl", "vectors.npy", "decisions.jsonl"


class _Row(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )


class Summary(_Row):
    """``corrections.json``. users: pseudonyms of everybody who consents."""

    format: Literal["faceflow-corrections"]
    version: Literal[1]
    created_at: str
    users: tuple[str, ...]
    sha256: dict[str, str]


class Face(_Row):
    """A face.

    Attributes:
        user: pseudonym of whose album it is in; ids of persons mean nothing outside of it.
        content: equal for the same place in the same picture, in whatever album.
        person: who it is shown as in its album at the time of the export; None for nobody.
        confirmed: somebody said so of this very face.
        confidence: in [0, 1] that it is this person.
        contract: of its vector.
        eye_px: distance of the eyes in the original photo, pixels.
        resolution: 1, or less where only a smaller picture of that scale was left to cut from.
        crop: path of the aligned (112, 112) picture.
    """

    user: str
    consent: bool
    face: str
    album: str
    photo: str
    content: str
    person: str | None
    confirmed: bool
    confidence: float = Field(ge=0, le=1)
    contract: str
    score: float = Field(ge=0, le=1)
    quality: float = Field(ge=0, le=1)
    eye_px: float = Field(ge=0)
    resolution: float = Field(gt=0, le=1)
    crop: str


class Statement(_Row):
    """What one decision says of faces.

    relation: "same": all faces of ``first`` and ``second`` are one person. "different": none of
    ``first`` is the person of one of ``second``. Users pointed at the faces of ``first``.
    """

    user: str
    decision: str
    album: str | None
    at: str | None
    kind: str
    relation: Literal["same", "different"]
    first: tuple[str, ...]
    second: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Corrections:
    """An export.

    Attributes:
        folder: where it lies.
        faces: n faces of users who consent.
        vectors: (n, 512) float32, each of its face's contract; zeros where there is none.
        statements: oldest first within an album.
        left_out: faces that were passed over, for want of consent or because they were to be.
        crops: n places of the faces' pictures.
    """

    folder: Path
    created_at: str
    faces: tuple[Face, ...]
    vectors: NDArray[np.float32]
    statements: tuple[Statement, ...]
    left_out: int
    crops: tuple[Stored, ...]

    def crop(self, face: int) -> ImageArray:
        """A face's aligned picture, (112, 112, 3) uint8 RGB; ImageError if it cannot be read."""
        return decode_rgb(self.crop_bytes(face), self.faces[face].crop)

    def crop_bytes(self, face: int) -> bytes:
        """The same as the bytes of a WebP file; FaceFlowError if there is none."""
        return self.crops[face].read()

    def picture(self, face: int) -> Path | bytes:
        """The same as a file if it is one, else as bytes."""
        crop = self.crops[face]
        return crop.file if crop.size is None else crop.read()


def read_corrections(folder: Path, leave_out: Collection[str] = ()) -> Corrections:
    """Read an export.

    Args:
        folder: with ``corrections.json``, or with archives and ``published.json``.
        leave_out: pseudonyms of users to pass over: who was erased since the export, say.

    Raises:
        FaceFlowError: it is no export of this version, incomplete, altered, or too old.
    """
    summary = read_summary(folder)
    parts = [_read(source, leave_out) for source in sources(folder)]
    vectors = [part.vectors for part in parts]
    return Corrections(
        folder=folder,
        created_at=summary.created_at,
        faces=tuple(face for part in parts for face in part.faces),
        vectors=np.concatenate([np.zeros((0, EMBEDDING_DIM), np.float32), *vectors]),
        statements=tuple(one for part in parts for one in part.statements),
        left_out=sum(part.left_out for part in parts),
        crops=tuple(crop for part in parts for crop in part.crops),
    )


def read_summary(folder: Path) -> Summary:
    """What is in the folder; of archives ``sha256`` has the files of each.

    Raises:
        FaceFlowError: there is no export of this version, or it is too old.
    """
    if not is_export(folder):
        raise FaceFlowError(f"{folder}: no export of corrections")
    at = published_at(folder)
    if at is None:
        return _summary(Source(folder))
    parts = {source.place.name: _summary(source) for source in sources(folder)}
    return Summary(
        format="faceflow-corrections",
        version=1,
        created_at=at,
        users=tuple(user for part in parts.values() for user in part.users),
        sha256={
            f"{name}/{file}": digest
            for name, part in parts.items()
            for file, digest in part.sha256.items()
        },
    )


def _read(source: Source, leave_out: Collection[str]) -> Corrections:
    """Read the export of one source; see `read_corrections`."""
    summary = _summary(source)
    content = {name: source.find(name).read() for name in (FACES, VECTORS, DECISIONS)}
    for name, data in content.items():
        if hashlib.sha256(data).hexdigest() != summary.sha256.get(name):
            raise FaceFlowError(f"{source.place / name} is not as it was exported: export again")
    faces = list(_rows(source.place / FACES, content[FACES], Face))
    vectors = np.load(io.BytesIO(content[VECTORS]), allow_pickle=False)
    if vectors.shape != (len(faces), EMBEDDING_DIM):
        raise FaceFlowError(f"{source.place}: {len(faces)} faces, but vectors {vectors.shape}")
    allowed = set(summary.users) - set(leave_out)
    kept = [k for k, face in enumerate(faces) if face.consent and face.user in allowed]
    for k in kept:
        _check_inside(faces[k].crop, source.place)
    said = _rows(source.place / DECISIONS, content[DECISIONS], Statement)
    return Corrections(
        folder=source.place,
        created_at=summary.created_at,
        faces=tuple(faces[k] for k in kept),
        vectors=np.asarray(vectors[kept], np.float32),
        statements=tuple(one for one in said if one.user in allowed),
        left_out=len(faces) - len(kept),
        crops=tuple(source.find(faces[k].crop) for k in kept),
    )


def _summary(source: Source) -> Summary:
    """``corrections.json`` of a source."""
    file = source.place / MANIFEST
    try:
        found = Summary.model_validate_json(source.find(MANIFEST).read())
    except ValidationError as error:
        raise FaceFlowError(f"{file}: {_first(error)}") from error
    if source.user is not None and found.users != (source.user,):
        raise FaceFlowError(f"{file}: it is of {', '.join(found.users) or 'nobody'}")
    return found


_R = TypeVar("_R", bound=_Row)


def _rows(file: Path, content: bytes, kind: type[_R]) -> Iterator[_R]:
    for number, line in enumerate(io.BytesIO(content), 1):
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            raise FaceFlowError(f"{file} line {number}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "document"
    return f"{place}: {first['msg']}"


def _check_inside(crop: str, folder: Path) -> None:
    path = PurePosixPath(crop)
    if path.is_absolute() or ".." in path.parts:
        raise FaceFlowError(f"{folder / FACES}: {crop} is outside the export")
