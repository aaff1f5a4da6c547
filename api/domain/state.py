"""The people of an album at one point of its log, as arrays: small to keep, quick to edit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.domain.id_index import IdIndex
from api.domain.runs import ID_TYPE, NOBODY, Ids, MachineRun

GONE = -2
"""In place of a cluster: the face's photo was removed."""

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FaceTable:
    """What never changes of the faces that the log has brought, numbered in that order.

    Attributes:
        ids: (n,) face ids. An id comes twice if a removed photo was uploaded again.
        photo: (n,) number of each one's photo in ``photo_ids``.
        photo_ids: (p,) photo ids.
        quality: (n,) in [0, 1].
        row: (n,) row in the photo's vectors.
    """

    ids: Ids
    photo: Ints
    photo_ids: Ids
    quality: Floats
    row: Ints

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def number(self) -> IdIndex:
        """The number of each face id, the last if it came twice."""
        return IdIndex(self.ids)

    @cached_property
    def photo_number(self) -> IdIndex:
        """The number of each photo id."""
        return IdIndex(self.photo_ids)

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """(n,) place of each face by falling quality; equal ones by id."""
        rank = np.empty(len(self.ids), dtype=np.int64)
        rank[self.by_rank[:-1]] = np.arange(len(self.ids))
        return rank

    @cached_property
    def by_rank(self) -> NDArray[np.int64]:
        """(n + 1,) the face of each place; at the end -1, the face of none."""
        by_id = self.number.order
        falling = np.argsort(-self.quality[by_id], kind="stable")
        return np.append(by_id[falling].astype(np.int64), -1)

    def forget_derived(self) -> None:
        """Let go of what is made anew when it is asked for."""
        for name in ("number", "photo_number", "rank", "by_rank"):
            self.__dict__.pop(name, None)

    def face_id(self, number: int) -> str:
        """The id of a face."""
        return str(self.ids[number].decode())

    def photo_of(self, number: int) -> str:
        """The id of a face's photo."""
        return str(self.photo_ids[self.photo[number]].decode())

    def extended(self, run: MachineRun) -> FaceTable:
        """With the new faces of a run."""
        if not len(run.new_faces):
            return self
        photos = [photo.decode() for photo in run.new_photos.tolist()]
        numbers = self.photo_number.find(photos).tolist()
        fresh: dict[str, int] = {}
        for place, photo in enumerate(photos):
            if numbers[place] < 0:
                numbers[place] = fresh.setdefault(photo, len(self.photo_ids) + len(fresh))
        new_photos = as_ids(fresh)
        table = FaceTable(
            ids=np.concatenate([self.ids, run.new_faces]),
            photo=np.concatenate([self.photo, np.array(numbers, dtype=np.int32)]),
            photo_ids=np.concatenate([self.photo_ids, new_photos]),
            quality=np.concatenate([self.quality, run.new_quality]),
            row=np.concatenate([self.row, run.new_rows]),
        )
        # Sorting a hundred thousand ids for one photo more would hold everybody up.
        vars(table)["number"] = self.number.extended(run.new_faces)
        vars(table)["photo_number"] = self.photo_number.extended(new_photos)
        return table


@dataclass(frozen=True)
class Person:
    """A cluster, aside from its faces."""

    id: str
    created_at: str
    label: str | None = None
    hidden: bool = False


@dataclass(frozen=True, eq=False)
class Summary:
    """What lists show of persons.

    Attributes:
        photos: (m,) photos that each is in.
        confidence: (m,) mean of each one's faces; 0 without any.
        cover: (m,) the best face of each, of the highest quality; -1 without any.
    """

    photos: NDArray[np.int64]
    confidence: NDArray[np.float64]
    cover: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class People:
    """Who is who after some entry of the log. Arrays are never written to once they are here.

    Attributes:
        table: the faces.
        cluster: (n,) number of each face's person in ``persons``; NOBODY, or GONE.
        mode: (n,) the same before merges. Someone who was merged looks in more than one way, as
            a child and later, say: runs go on to group each of the ways by itself, and know whose
            they are.
        confidence: (n,) in [0, 1] that the face is that person.
        pinned: (n,) a person placed it, or merged the cluster it was in: runs do not move it.
        confirmed: (n,) a person said it of this very face.
        persons: every cluster there ever was; those without faces are not shown.
        merged: clusters that were merged, and into which.
        unsplit: clusters whose split was undone, or the move that made them, and the ids of those
            that the faces came from.
        rejected: faces and clusters that they are not.
        dismissed: pairs of clusters that are not one person, by id, smaller first.
        contract: of the vectors that grouped them.
        head: the last entry of the log.
        undos: every (UNDO entry, entry it takes back), oldest first.
    """

    table: FaceTable
    cluster: Ints
    mode: Ints
    confidence: Floats
    pinned: Flags
    confirmed: Flags
    persons: tuple[Person, ...] = ()
    merged: dict[int, int] = field(default_factory=dict)
    unsplit: Mapping[str, str] = field(default_factory=dict)
    rejected: frozenset[tuple[int, int]] = frozenset()
    dismissed: frozenset[tuple[str, str]] = frozenset()
    contract: str | None = None
    head: str | None = None
    undos: tuple[tuple[str, str], ...] = ()

    @classmethod
    def nobody(cls) -> People:
        """Of an empty log."""
        ints, floats = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
        flags = np.empty(0, dtype=np.bool_)
        table = FaceTable(as_ids([]), ints, as_ids([]), floats, ints)
        return cls(table, ints, ints, floats, flags, flags)

    @cached_property
    def code(self) -> dict[str, int]:
        """The number of each cluster id."""
        return {person.id: k for k, person in enumerate(self.persons)}

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(m,) faces of each person."""
        held = self.cluster[self.cluster >= 0]
        return np.bincount(held, minlength=len(self.persons))

    @cached_property
    def _by_cluster(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.cluster, kind="stable")
        starts = np.searchsorted(self.cluster[order], np.arange(len(self.persons) + 1))
        return order, starts

    def members(self, code: int) -> NDArray[np.int64]:
        """The faces of a person, in the order of their numbers."""
        if "_by_cluster" not in self.__dict__:
            return np.flatnonzero(self.cluster == code)
        order, starts = self._by_cluster
        return order[starts[code] : starts[code + 1]]

    def index_members(self) -> None:
        """Sort once, so that many calls of `members` are quick."""
        _ = self._by_cluster

    @cached_property
    def summary(self) -> Summary:
        """Of every person, at once: of 500 that is many times faster than one by one."""
        m = len(self.persons)
        held = np.flatnonzero(self.cluster >= 0)
        cluster = self.cluster[held].astype(np.int64)
        # Sorting is an order of magnitude quicker than `numpy.unique`, which hashes.
        pairs = np.sort(cluster * max(len(self.table.photo_ids), 1) + self.table.photo[held])
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])] if len(pairs) else pairs
        sums = np.bincount(cluster, weights=self.confidence[held], minlength=m)
        best = np.full(m, len(self.table), dtype=np.int64)
        np.minimum.at(best, cluster, self.table.rank[held])
        return Summary(
            photos=np.bincount(pairs // max(len(self.table.photo_ids), 1), minlength=m),
            confidence=sums / np.maximum(self.sizes, 1),
            cover=self.table.by_rank[best],
        )

    def alive(self) -> list[int]:
        """The persons that have faces."""
        return [int(code) for code in np.flatnonzero(self.sizes)]

    def unassigned(self) -> NDArray[np.int64]:
        """The faces of nobody."""
        return np.flatnonzero(self.cluster == NOBODY)

    def resolve(self, code: int) -> int:
        """The person that this one was merged into, or itself."""
        while code in self.merged:
            code = self.merged[code]
        return code

    def find(self, cluster: str) -> int | None:
        """The person of an id, through merges; None if there never was one."""
        code = self.code.get(cluster)
        return None if code is None else self.resolve(code)

    def find_mode(self, cluster: str) -> int | None:
        """The cluster of an id whether merged or not; in place of one whose making was undone, what
        its faces came from."""
        while cluster not in self.code and cluster in self.unsplit:
            cluster = self.unsplit[cluster]
        return self.code.get(cluster)

    @cached_property
    def resolved(self) -> Ints:
        """(m + 2,) `resolve` of every cluster, and of GONE and NOBODY, which count from the end."""
        codes = [self.resolve(code) for code in range(len(self.persons))]
        return np.array([*codes, GONE, NOBODY], dtype=np.int32)

    def forget_derived(self, *, of_table: bool) -> None:
        """Let go of what is made anew when it is asked for; ``of_table``: of the faces, too."""
        for name in ("code", "sizes", "_by_cluster", "summary", "resolved"):
            self.__dict__.pop(name, None)
        if of_table:
            self.table.forget_derived()

    def numbers(self, faces: Sequence[str]) -> Ints:
        """The numbers of faces that are there."""
        found = self.table.number.find(faces)
        numbers: Ints = found[found >= 0].astype(np.int32)
        there: Ints = numbers[self.cluster[numbers] != GONE]
        return there

    def person_of(self, face: int) -> Person | None:
        """Who a face is."""
        code = int(self.cluster[face])
        return self.persons[code] if code >= 0 else None

    def with_person(self, code: int, **changes: Any) -> People:
        """With something changed of a person."""
        person = dataclasses.replace(self.persons[code], **changes)
        return changed(self, persons=(*self.persons[:code], person, *self.persons[code + 1 :]))


@dataclass(frozen=True, eq=False)
class Centers:
    """The vectors of each way that persons look, summed.

    Attributes:
        people: of whom, at some point of the log.
        sums: (m, d) of each mode, see `People`; zeros for one without faces.
    """

    people: People
    sums: Floats


def changed(people: People, **changes: Any) -> People:
    """The people with some attributes replaced."""
    return dataclasses.replace(people, **changes)


def as_ids(texts: Iterable[str]) -> Ids:
    """(k,) ids as an array."""
    return np.array([text.encode() for text in texts], dtype=ID_TYPE)
