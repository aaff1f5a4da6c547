"""Where the files of an export lie: in a folder, or in an archive of one user's corrections.

On AWS the application publishes an archive a user, ``USER.tar``, and ``published.json``, which says
until when everybody who does not consent any more was taken out. An archive holds what a folder
does, of that user alone; it is replaced or removed as a whole, so that what is read of a user is of
one moment.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ValidationError

from faceflow_ml.errors import FaceFlowError

MANIFEST = "corrections.json"
PUBLISHED = "published.json"
OLDEST = timedelta(days=3)
"""The application looks every night who still consents. What nobody looked after for longer may
hold people who do not."""


@dataclass(frozen=True)
class Stored:
    """Bytes of a file: all of them, or ``size`` from ``start`` on."""

    file: Path
    start: int = 0
    size: int | None = None

    def read(self) -> bytes:
        """The bytes; FaceFlowError if they cannot be read."""
        try:
            with open(self.file, "rb") as stream:
                stream.seek(self.start)
                return stream.read(-1 if self.size is None else self.size)
        except OSError as error:
            raise FaceFlowError(f"{self.file}: cannot be read: {error.strerror}") from error


class Source:
    """An export in a folder.

    user: whose it is alone; None: of anybody.
    """

    user: str | None = None

    def __init__(self, place: Path) -> None:
        self.place = place

    def find(self, name: str) -> Stored:
        """A file of the export, by its path in it."""
        return Stored(self.place / name)


class Archive(Source):
    """One user's export in a tar file that is not compressed, named after the user.

    Raises:
        FaceFlowError: it is none.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.user = place.stem
        try:
            with tarfile.open(place, "r:") as opened:
                self._found = {
                    member.name: Stored(place, member.offset_data, member.size)
                    for member in opened
                    if member.isreg()
                }
        except (OSError, tarfile.TarError) as error:
            raise FaceFlowError(f"{place}: no archive of corrections: {error}") from error

    def find(self, name: str) -> Stored:
        try:
            return self._found[name]
        except KeyError:
            raise FaceFlowError(f"{self.place}: there is no {name} in it") from None


class _Published(BaseModel):
    format: Literal["faceflow-published-corrections"]
    version: Literal[1]
    at: AwareDatetime


def is_export(folder: Path) -> bool:
    """Is there an export, as a folder or as archives?"""
    return (folder / MANIFEST).is_file() or (folder / PUBLISHED).is_file()


def sources(folder: Path) -> Iterator[Source]:
    """The export in a folder, or each of the archives in it, in the order of their names."""
    if (folder / MANIFEST).exists() or not (folder / PUBLISHED).exists():
        yield Source(folder)
    else:
        yield from map(Archive, sorted(folder.glob("*.tar")))


def published_at(folder: Path) -> str | None:
    """When the archives in a folder were looked after, ISO 8601; None where there are none.

    Raises:
        FaceFlowError: that is too long ago, or unreadable.
    """
    file = folder / PUBLISHED
    if (folder / MANIFEST).exists() or not file.exists():
        return None
    try:
        found = _Published.model_validate_json(Stored(file).read())
    except ValidationError as error:
        raise FaceFlowError(f"{file}: {error.errors()[0]['msg']}") from error
    if datetime.now(UTC) - found.at > OLDEST:
        raise FaceFlowError(
            f"{file}: the application looked last at {found.at:%Y-%m-%d %H:%M} who still "
            f"consents, more than {OLDEST.days} days ago: it has to publish first"
        )
    return found.at.isoformat()
