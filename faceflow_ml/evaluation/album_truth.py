"""Who is really in the photos of an album: the two forms that labels come in."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.errors import ConfigError, FaceFlowError

TRUTH = "truth.csv"


@dataclass(frozen=True)
class MainFaceTruth:
    """The person that each photo is of; others may be in it. Keys are paths in the album."""

    person_of: Mapping[str, str]

    @property
    def photos(self) -> set[str]:
        """Paths of the labelled photos."""
        return set(self.person_of)


@dataclass(frozen=True, eq=False)
class TrueFaces:
    """All faces of one photo: boxes (n, 4) xyxy px, and whose they are."""

    boxes: NDArray[np.float64]
    identities: tuple[str, ...]


@dataclass(frozen=True)
class BoxTruth:
    """Every face of each labelled photo. Keys are paths in the album."""

    faces_of: Mapping[str, TrueFaces]

    @property
    def photos(self) -> set[str]:
        """Paths of the labelled photos."""
        return set(self.faces_of)


AlbumTruth = MainFaceTruth | BoxTruth


def read_album_truth(file: Path) -> AlbumTruth:
    """Read a CSV with a row a photo, ``photo,person``, or a row a face,
    ``photo,identity,x1,y1,x2,y2`` with corners in pixels of the upright photo.

    Raises:
        ConfigError: there is no such file.
        FaceFlowError: the columns are others, or a row is malformed.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = tuple(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FaceFlowError(f"{file}: not a CSV file: {error}") from error
    if not rows:
        raise FaceFlowError(f"{file}: holds no labels")
    if {"photo", "identity", "x1", "y1", "x2", "y2"} <= set(columns):
        return _boxes(file, rows)
    if {"photo", "person"} <= set(columns):
        return _main_faces(file, rows)
    raise FaceFlowError(
        f"{file}: expected the columns photo,person or photo,identity,x1,y1,x2,y2, "
        f"got {','.join(columns)}"
    )


_Rows = list[tuple[int, dict[str, str | None]]]


def _main_faces(file: Path, rows: _Rows) -> MainFaceTruth:
    people: dict[str, str] = {}
    for line, row in rows:
        photo, person = row["photo"], row["person"]
        if not photo or not person:
            raise FaceFlowError(f"{file} line {line}: photo or person is empty")
        if people.setdefault(photo, person) != person:
            raise FaceFlowError(f"{file} line {line}: {photo} has two main people")
    return MainFaceTruth(people)


def _boxes(file: Path, rows: _Rows) -> BoxTruth:
    boxes: dict[str, list[list[float]]] = {}
    identities: dict[str, list[str]] = {}
    for line, row in rows:
        photo, identity = row["photo"], row["identity"]
        try:
            box = [float(row[name] or "") for name in ("x1", "y1", "x2", "y2")]
        except ValueError as error:
            raise FaceFlowError(f"{file} line {line}: {error}") from error
        if not photo or not identity or not np.isfinite(box).all():
            raise FaceFlowError(f"{file} line {line}: photo, identity or box is empty")
        boxes.setdefault(photo, []).append(box)
        identities.setdefault(photo, []).append(identity)
    return BoxTruth(
        {
            photo: TrueFaces(np.array(boxes[photo], np.float64), tuple(identities[photo]))
            for photo in boxes
        }
    )
