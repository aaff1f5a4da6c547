"""The people of an album as they are shown: clusters, their faces and photos, page by page."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from api.domain.rows import best_first, shown_confidence
from api.domain.state import People, Person
from api.repositories.cursors import decode_cursor, encode_cursor, fingerprint

FaceOrder = Literal["time", "doubt"]
"""By when their photos came, or the least certain first."""


@dataclass(frozen=True)
class ShownFace:
    """A face with who it is."""

    id: str
    photo_id: str
    cluster: str | None
    confidence: float | None
    confirmed: bool
    quality: float


@dataclass(frozen=True)
class ShownCluster:
    """A person with some faces, the best first; ``cover`` is the best of all."""

    person: Person
    size: int
    photos: int
    confidence: float
    faces: tuple[ShownFace, ...]
    cover: ShownFace


@dataclass(frozen=True)
class ShownClusters:
    """Part of the list of an album's people."""

    clusters: tuple[ShownCluster, ...]
    total: int
    cursor: str | None


@dataclass(frozen=True)
class ShownFaces:
    """Part of a list of faces."""

    faces: tuple[ShownFace, ...]
    total: int
    cursor: str | None


def show_face(people: People, face: int) -> ShownFace:
    """One face."""
    person = people.person_of(face)
    return ShownFace(
        id=people.table.face_id(face),
        photo_id=people.table.photo_of(face),
        cluster=None if person is None else person.id,
        confidence=None if person is None else shown_confidence(people, face),
        confirmed=bool(people.confirmed[face]),
        quality=round(float(people.table.quality[face]), 4),
    )


def show_cluster(people: People, code: int, faces: int) -> ShownCluster:
    """One person who has faces, with up to so many of them."""
    summary = people.summary
    best = best_first(people, people.members(code))[:faces] if faces else np.empty(0, np.int64)
    return ShownCluster(
        person=people.persons[code],
        size=int(people.sizes[code]),
        photos=int(summary.photos[code]),
        confidence=round(float(summary.confidence[code]), 4),
        faces=tuple(show_face(people, face) for face in best.tolist()),
        cover=show_face(people, int(summary.cover[code])),
    )


def list_clusters(
    people: People, *, hidden: bool, faces: int, limit: int, cursor: str | None
) -> ShownClusters:
    """People, the largest first.

    Args:
        hidden: those who are hidden, instead of those who are not.
        faces: how many of each.

    Raises:
        BadCursor: of another list.
    """
    codes = [code for code in people.alive() if people.persons[code].hidden == hidden]
    keys = {
        f"{10**9 - int(people.sizes[code]):010d}{people.persons[code].id}": code for code in codes
    }
    chosen, more = _page(sorted(keys), fingerprint("clusters", str(hidden)), limit, cursor)
    if faces:
        people.index_members()
    clusters = tuple(show_cluster(people, keys[key], faces) for key in chosen)
    return ShownClusters(clusters, len(codes), more)


def list_faces(
    people: People, code: int | None, *, order: FaceOrder, limit: int, cursor: str | None
) -> ShownFaces:
    """The faces of a person, or of nobody.

    Raises:
        BadCursor: of another list.
    """
    members = people.unassigned() if code is None else people.members(code)
    name = "" if code is None else people.persons[code].id
    keys = dict(zip(_face_keys(people, members, order), members.tolist(), strict=True))
    chosen, more = _page(sorted(keys), fingerprint("faces", name, order), limit, cursor)
    return ShownFaces(tuple(show_face(people, keys[key]) for key in chosen), len(members), more)


def _face_keys(people: People, members: NDArray[np.int64], order: FaceOrder) -> list[str]:
    table = people.table
    ids = [face.decode() for face in table.ids[members].tolist()]
    if order == "doubt":
        sure = people.confidence[members].tolist()
        return [f"{value:.6f}{face}" for value, face in zip(sure, ids, strict=True)]
    photos = [photo.decode() for photo in table.photo_ids[table.photo[members]].tolist()]
    return [photo + face for photo, face in zip(photos, ids, strict=True)]


def list_photos(
    people: People, code: int, *, limit: int, cursor: str | None
) -> tuple[tuple[str, ...], str | None]:
    """Ids of the photos that a person is in, in the order in which they came, and a cursor.

    Raises:
        BadCursor: of another list.
    """
    table = people.table
    photos = np.unique(table.photo_ids[table.photo[people.members(code)]])
    names = [photo.decode() for photo in photos.tolist()]
    return _page(names, fingerprint("photos", people.persons[code].id), limit, cursor)


def _page(
    keys: Sequence[str], query: str, limit: int, cursor: str | None
) -> tuple[tuple[str, ...], str | None]:
    """Part of a sorted list: after the place of the cursor, whether that is still there or not."""
    start = 0
    if cursor is not None:
        start = bisect_right(keys, decode_cursor(cursor, query, 1)[0])
    chosen = tuple(keys[start : start + limit])
    more = start + limit < len(keys)
    return chosen, encode_cursor(query, [chosen[-1]]) if more else None
