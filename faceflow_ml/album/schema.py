"""``groups.json``: what the group job found, as typed models.

The names and shapes are a public interface; see the README for an example.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_write_text

Box = tuple[float, float, float, float]
Point = tuple[float, float]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Models(_Model):
    """Contract ids (weights + preprocessing) of the models that were used."""

    detector: str
    embedder: str


class Face(_Model):
    """One face: ``box`` is x1, y1, x2, y2 and ``landmarks`` five points, in photo pixels."""

    face_id: str
    box: Box
    score: float = Field(ge=0, le=1)
    landmarks: tuple[Point, Point, Point, Point, Point]
    person: str | None


class Photo(_Model):
    """One file. A photo that cannot be read has ``error`` set, no size and no faces."""

    path: str
    width: int | None
    height: int | None
    sha256: str | None
    error: str | None
    faces: tuple[Face, ...]


class Person(_Model):
    """One group of faces. ``faces`` and ``photos`` count entries of ``Groups.photos``."""

    id: str
    label: str | None
    faces: int = Field(ge=1)
    photos: int = Field(ge=1)
    cover: str


class Duplicates(_Model):
    """Photos that show the same: ``keep`` is the one to keep."""

    keep: str
    drop: tuple[str, ...]
    kind: Literal["exact", "near"]


class Groups(_Model):
    """The whole of ``groups.json``."""

    version: Literal[1] = 1
    models: Models
    photos: tuple[Photo, ...]
    people: tuple[Person, ...]
    duplicates: tuple[Duplicates, ...]


def dump_groups(groups: Groups) -> str:
    """The JSON text of ``groups``, one photo a line so that differences can be read."""
    plain = groups.model_dump(mode="python")
    text = _layout(plain, ascii_only=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # A file name that is not valid UTF-8 is held as lone surrogates; escapes carry them.
        text = _layout(plain, ascii_only=True)
    return text


def _layout(plain: dict[str, object], *, ascii_only: bool) -> str:
    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)

    parts = []
    for name, value in plain.items():
        if isinstance(value, tuple) and value:
            body = ",\n  ".join(line(item) for item in value)
            parts.append(f'"{name}": [\n  {body}\n ]')
        else:
            parts.append(f'"{name}": {line(value)}')
    return "{" + ",\n ".join(parts) + "}\n"


def write_groups(path: str | os.PathLike[str], groups: Groups) -> None:
    """Write ``groups.json`` in one step."""
    atomic_write_text(path, dump_groups(groups))


def read_groups(path: str | os.PathLike[str]) -> Groups:
    """Read a ``groups.json``.

    Raises:
        FaceFlowError: the file is not a ``groups.json`` of this version.
        OSError: the file cannot be read.
    """
    try:
        return Groups.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise FaceFlowError(f"{os.fspath(path)} is not a groups.json: {detail}") from error
