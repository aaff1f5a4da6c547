"""An album of faces without photos: vectors around centers, one for each person."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.domain.ledger import people_of
from api.domain.log import loader, read_log
from api.domain.models import Album, Face
from api.domain.projection import project
from api.domain.rows import cluster_row, shown_confidence
from api.domain.state import GONE, People
from api.home import open_services
from api.ids import derived_id, new_id, now
from api.objects import keys
from api.repositories.table import Index
from api.services import Services
from api.settings import Settings

DIMENSIONS = 512
Row = tuple[str | None, float | None, bool]
"""Cluster and confidence of a face, and whether a person confirmed it."""
_NOBODY: Row = (None, None, False)


class VectorsOnly:
    """A face engine for albums whose vectors are there already."""

    threshold = 0.35
    confidence = None

    def __init__(self, contract_id: str = "c1") -> None:
        self.contract_id = contract_id

    def detect(self, image: NDArray[np.uint8]) -> None:
        raise AssertionError("there are no photos")

    def embed(self, crops: NDArray[np.uint8]) -> None:
        raise AssertionError("there are no photos")


def _row(people: People, face: int) -> Row:
    person = people.person_of(face)
    assert person is not None
    return person.id, shown_confidence(people, face), bool(people.confirmed[face])


def open_pile(data: Path, engine: VectorsOnly | None = None) -> Services:
    return open_services(Settings(data=data), engine or VectorsOnly())  # type: ignore[arg-type]


def new_album(services: Services, *, user: str = "ann", linked: bool = False) -> Album:
    album = Album(id=new_id(), user_id=user, name="pile", created_at=now(), linked=linked)
    services.albums.create(album)
    return album


@dataclass
class Pile:
    """Adds photos of known people to an album, and reads what its rows show."""

    services: Services
    album: Album
    people: int = 5
    noise: float = 0.6
    seed: int = 0
    truth: dict[str, int] = field(default_factory=dict)
    """Who each face is."""

    made: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        centers = np.random.default_rng(99).normal(size=(self.people, DIMENSIONS))
        self.centers = centers / np.linalg.norm(centers, axis=1, keepdims=True)

    def vectors(self, who: Sequence[int]) -> NDArray[np.float32]:
        noise = self.rng.normal(size=(len(who), DIMENSIONS)) / np.sqrt(DIMENSIONS)
        mixed = np.sqrt(1 - self.noise**2) * self.centers[list(who)] + self.noise * noise
        return (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)

    def photo(self, who: Sequence[int], contract: str = "c1") -> list[str]:
        """One more photo; returns its faces' ids."""
        # The same in every run, as the order of faces may decide who joins whom first.
        self.made += 1
        photo = derived_id("photo", str(self.seed), str(self.made))
        buffer = io.BytesIO()
        np.save(buffer, self.vectors(who))
        album = self.album
        key = keys.vectors(album.user_id, album.id, photo)
        self.services.objects.put(key, buffer.getvalue(), "application/x-npy")
        faces = []
        for row, person in enumerate(who):
            face = Face(
                id=derived_id(photo, str(row)),
                album_id=album.id,
                user_id=album.user_id,
                photo_id=photo,
                created_at=now(),
                box=(0.0, 0.0, 9.0, 9.0),
                score=0.9,
                landmarks=((1.0, 1.0),) * 5,
                quality=float(self.rng.uniform(0.4, 1.0)),
                row=row,
                contract_id=contract,
            )
            self.truth[face.id] = person
            faces.append(face)
        self.services.faces.table.write_many([self.services.faces.put(face) for face in faces])
        return [face.id for face in faces]

    def photos(self, count: int, each: int = 2) -> None:
        for _ in range(count):
            self.photo(self.rng.choice(self.people, each, replace=False).tolist())

    def now(self) -> People:
        return people_of(self.services, self.album)

    def replayed(self) -> People:
        """The people from the log alone."""
        log = read_log(self.services, self.album)
        return project(log, loader(self.services, self.album))

    def face_rows(self) -> dict[str, Row]:
        """Who the faces are that have a row."""
        people = self.now()
        rows = [face.id for face in self.services.faces.all(f"ALBUM#{self.album.id}")]
        return {
            face: _NOBODY if number < 0 or people.cluster[number] < 0 else _row(people, number)
            for face, number in zip(rows, people.table.number.find(rows).tolist(), strict=True)
        }

    def cluster_rows(self) -> dict[str, object]:
        return {row.id: row for row in self.services.clusters.all(f"ALBUM#{self.album.id}")}

    def groups(self) -> dict[str, set[str]]:
        """Faces of each cluster."""
        groups: dict[str, set[str]] = {}
        for face, (cluster, _, _) in self.face_rows().items():
            if cluster is not None:
                groups.setdefault(cluster, set()).add(face)
        return groups

    def of_person(self, person: int) -> str:
        """The cluster that most faces of somebody are in."""
        rows = self.face_rows()
        clusters = [rows[f][0] for f, who in self.truth.items() if who == person and f in rows]
        found = [cluster for cluster in clusters if cluster is not None]
        return max(set(found), key=found.count)

    def check_rows(self) -> None:
        """The rows are what the log says."""
        people = self.replayed()
        known = {
            people.table.face_id(k): _row(people, k) if people.cluster[k] >= 0 else _NOBODY
            for k in np.flatnonzero(people.cluster != GONE).tolist()
        }
        rows = self.face_rows()
        fresh = Face.fresh_partition(self.album.id)
        waiting = {face.id for face in self.services.faces.index_all(Index.GSI1, fresh)}
        assert waiting == rows.keys() - known.keys()
        assert rows == known | dict.fromkeys(waiting, _NOBODY)
        expected = {
            people.persons[c].id: cluster_row(self.album, people, c) for c in people.alive()
        }
        assert self.cluster_rows() == expected

    def check_photos(self) -> None:
        """Two faces of one photo share a cluster only if a person placed one of them."""
        people = self.replayed()
        for code in people.alive():
            by_photo: dict[int, list[int]] = {}
            for face in people.members(code).tolist():
                by_photo.setdefault(int(people.table.photo[face]), []).append(face)
            for faces in by_photo.values():
                assert sum(not people.pinned[face] for face in faces) <= 1
