"""Rows of clusters that show the people, and of faces that have come, written as what differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.domain.counts import AlbumCounts
from api.domain.models import Album, Cluster, Face
from api.domain.state import GONE, Ints, People
from api.repositories.table import PRESENT, Delete, Put, Update

RowWrite = Put | Update | Delete


@dataclass(frozen=True, eq=False)
class Difference:
    """What of the people changed.

    faces: numbers of faces that have come.
    clusters: ids of clusters whose row changes, appears or vanishes.
    """

    faces: NDArray[np.int64]
    clusters: tuple[str, ...]


def difference(before: People, after: People) -> Difference:
    """What changed between the people at two points of the log, the first no later."""
    n = len(before.cluster)
    was = _codes_in(after, before)[before.cluster]
    touched = after.cluster >= 0
    touched[:n] = (
        (was != after.cluster[:n])
        | (before.confidence != after.confidence[:n])
        | (before.confirmed != after.confirmed[:n])
    )
    clusters = {after.persons[code].id for code in _persons(after.cluster[touched])}
    clusters |= {before.persons[code].id for code in _persons(before.cluster[touched[:n]])}
    if before.persons != after.persons:
        old = {person.id: person for person in before.persons}
        alive = [after.persons[code] for code in after.alive()]
        clusters |= {person.id for person in alive if old.get(person.id) != person}
    come = n + np.flatnonzero(after.cluster[n:] != GONE)
    return Difference(come, tuple(sorted(clusters)))


def _persons(codes: Ints) -> list[int]:
    return [int(code) for code in np.unique(codes) if code >= 0]


def _codes_in(after: People, before: People) -> Ints:
    """(m + 2,) what each code of ``before`` is in ``after``; also for NOBODY and GONE, from the
    end. An undone entry takes its clusters along, so that codes move up."""
    missing = -10
    codes = [after.code.get(person.id, missing) for person in before.persons]
    return np.array([*codes, GONE, -1], dtype=np.int32)


def cluster_row(album: Album, people: People, code: int) -> Cluster:
    """The row of a person who has faces."""
    person = people.persons[code]
    summary = people.summary
    return Cluster(
        id=person.id,
        album_id=album.id,
        user_id=album.user_id,
        created_at=person.created_at,
        label=person.label,
        hidden=person.hidden,
        size=int(people.sizes[code]),
        photos=int(summary.photos[code]),
        confidence=round(float(summary.confidence[code]), 4),
        cover=people.table.face_id(int(summary.cover[code])),
    )


def best_first(people: People, faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Faces by falling quality; equal ones by id."""
    return faces[np.argsort(people.table.rank[faces])]


def face_row(album: Album, people: People, face: int) -> Update:
    """The write that takes a face from among those that are new to the log."""
    key = Face.key_of(album.id, people.table.face_id(face))
    return Update(key, {"gsi1pk": None, "gsi1sk": None}, expect=PRESENT)


def shown_confidence(people: People, face: int) -> float:
    """A face's confidence as clients have it."""
    return rounded_confidence(float(people.confidence[face]))


def rounded_confidence(confidence: float) -> float:
    """A confidence as clients have it."""
    return round(confidence, 4)


def row_writes(album: Album, people: People, changes: Difference) -> list[RowWrite]:
    """Writes that bring the rows from one point of the log to another; they may be repeated."""
    writes: list[RowWrite] = [face_row(album, people, int(face)) for face in changes.faces]
    for cluster in changes.clusters:
        code = people.code.get(cluster)
        if code is None or not people.sizes[code]:
            writes.append(Delete(Cluster.key_of(album.id, cluster)))
        else:
            row = cluster_row(album, people, code)
            writes.append(Put(row.key(), row.to_item()))
    return writes


def counts_write(album: Album, people: People) -> Update:
    """The album's numbers of people; those hidden do not count."""
    shown = sum(not people.persons[code].hidden for code in people.alive())
    changes = {
        "albumId": album.id,
        "clusters": shown,
        "unassigned": len(people.unassigned()),
    }
    return Update(AlbumCounts.key_of(album.id), changes)
