"""What corrections teach: whose face each is, who is not whom, and where people contradict.

Persons are known within a user's scope only: ids of two users are never the same person. Within
it, an album's last state decides between a statement and a later one that overrules it; what
remains contradictory is a conflict, and the faces it is about are not trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from faceflow_ml.clustering.constraints import UnionFind
from pipelines.retraining.exchange import Corrections, Face, Statement

Evidence = Literal["stated", "named"]
ConflictKind = Literal["statement", "photo"]

NAMING = "label"
"""A name is given to a group at a glance: evidence of its faces only as far as they are sure."""
MIN_CONFIDENCE = 0.9


@dataclass(frozen=True)
class Conflict:
    """Faces (by their rows in the export) that are one person and are not.

    kind: "statement": people said both. "photo": two faces of one photo, and nobody confirmed it.
    decision: id of the decision that the rest contradicts; None for a photo.
    """

    kind: ConflictKind
    user: str
    faces: tuple[int, ...]
    decision: str | None = None


@dataclass(frozen=True)
class Apart:
    """No face of ``first`` is the person of one of ``second``; rows in the export."""

    decision: str
    kind: str
    first: tuple[int, ...]
    second: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Signals:
    """Of n faces.

    Attributes:
        identity: of each face; None: unknown, or disputed.
        evidence: why; None where the identity is.
        apart: who is not whom.
        conflicts: contradictions; their faces have no identity.
        superseded: statements that later ones overrule, at least in part.
        decisions: ids of the decisions that all this is from.
    """

    identity: tuple[str | None, ...]
    evidence: tuple[Evidence | None, ...]
    apart: tuple[Apart, ...]
    conflicts: tuple[Conflict, ...]
    superseded: int
    decisions: frozenset[str]

    def members(self) -> dict[str, list[int]]:
        """Rows of the faces of each identity."""
        found: dict[str, list[int]] = defaultdict(list)
        for row, identity in enumerate(self.identity):
            if identity is not None:
                found[identity].append(row)
        return dict(found)


def read_signals(corrections: Corrections, *, min_confidence: float = MIN_CONFIDENCE) -> Signals:
    """Learn from the statements of an export.

    Args:
        min_confidence: in [0, 1]; a face of a named person of whom nobody said more counts if the
            application is so sure of it.
    """
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for row, face in enumerate(corrections.faces):
        rows[face.user][face.face] = row
    said: dict[str, list[Statement]] = defaultdict(list)
    for statement in corrections.statements:
        said[statement.user].append(statement)
    identity: list[str | None] = [None] * len(corrections.faces)
    evidence: list[Evidence | None] = [None] * len(corrections.faces)
    apart: list[Apart] = []
    conflicts: list[Conflict] = []
    superseded = 0
    groups = UnionFind(len(corrections.faces))
    for user, own in sorted(rows.items()):
        scope = _Scope(user, corrections.faces, own, groups, said[user], min_confidence)
        for row in own.values():
            identity[row], evidence[row] = scope.identity(row)
        apart += scope.apart
        conflicts += scope.conflicts
        superseded += scope.superseded
    decisions = frozenset(one.decision for one in corrections.statements)
    return Signals(
        tuple(identity), tuple(evidence), tuple(apart), tuple(conflicts), superseded, decisions
    )


class _Scope:
    """The faces of one user."""

    def __init__(
        self,
        user: str,
        faces: Sequence[Face],
        rows: dict[str, int],
        groups: UnionFind,
        said: Sequence[Statement],
        min_confidence: float,
    ) -> None:
        self.user = user
        self.faces = faces
        self.rows = rows
        self.groups = groups
        self.stated: set[int] = set()
        self.apart: list[Apart] = []
        self.conflicts: list[Conflict] = []
        self.superseded = 0
        self._disputed: set[int] = set()
        for statement in said:
            self._read(statement)
        self._join(self._by_person(self.stated))
        # The same picture of a face in two albums is the same person, whatever albums call it.
        self._join(self._by(lambda face: face.content, self.stated))
        self.named = self._named(said, min_confidence)
        self._find_conflicts()
        self._names: dict[int, str] = {}
        for row in rows.values():
            root, face = groups.find(row), faces[row].face
            self._names[root] = min(face, self._names.get(root, face))

    def identity(self, row: int) -> tuple[str | None, Evidence | None]:
        """Who a face is, and why."""
        if row in self._disputed or not (row in self.stated or row in self.named):
            return None, None
        name = f"{self.user}-{self._names[self.groups.find(row)]}"
        return name, "stated" if row in self.stated else "named"

    def _rows(self, ids: Iterable[str]) -> list[int]:
        return [self.rows[face] for face in ids if face in self.rows]

    def _by(self, key: Callable[[Face], Hashable], rows: Iterable[int]) -> list[list[int]]:
        found: dict[Hashable, list[int]] = defaultdict(list)
        for row in rows:
            found[key(self.faces[row])].append(row)
        return list(found.values())

    def _by_person(self, rows: Iterable[int]) -> list[list[int]]:
        somebody = [row for row in rows if self.faces[row].person is not None]
        return self._by(lambda face: (face.album, face.person), somebody)

    def _join(self, groups: Iterable[Sequence[int]]) -> None:
        for group in groups:
            for row in group[1:]:
                self.groups.union(group[0], row)

    def _read(self, statement: Statement) -> None:
        first, second = self._rows(statement.first), self._rows(statement.second)
        if statement.relation == "different":
            self._read_apart(statement, first, second)
        elif statement.kind != NAMING:
            everyone = [*first, *second]
            if statement.album is None:
                # Of linked albums: two persons are one, and nothing is said of their faces.
                self._join([everyone])
                return
            groups = self._by_person(everyone)
            if sum(map(len, groups)) < len(everyone) or len(groups) > 1:
                self.superseded += 1
            self._join(groups)
            self.stated.update(row for group in groups for row in group)

    def _read_apart(self, statement: Statement, first: list[int], second: list[int]) -> None:
        persons = {self.faces[row].person for row in first} - {None}
        overruled = [row for row in second if self.faces[row].person in persons]
        # Whoever merges them after all overrules that they are two.
        left = [row for row in second if row not in set(overruled)]
        self.superseded += bool(overruled)
        if first and left:
            part = Apart(statement.decision, statement.kind, tuple(first), tuple(left))
            self.apart.append(part)

    def _named(self, said: Sequence[Statement], min_confidence: float) -> set[int]:
        rows = {
            row
            for statement in said
            if statement.kind == NAMING
            for row in self._rows(statement.first)
            if self.faces[row].person is not None and row not in self.stated
        }
        sure = {row for row in rows if self.faces[row].confidence >= min_confidence}
        self._join(self._by_person(sorted(sure | self.stated)))
        return sure

    def _find_conflicts(self) -> None:
        for part in self.apart:
            self._check_apart(part)
        known = sorted(self.stated | self.named)
        for group in self._by(lambda face: (face.album, face.photo), known):
            for one, other in combinations(group, 2):
                same = self.groups.find(one) == self.groups.find(other)
                # A mirror, or a picture of a picture, if somebody says so of both.
                if same and not (self.faces[one].confirmed and self.faces[other].confirmed):
                    doubtful = [row for row in (one, other) if not self.faces[row].confirmed]
                    self._dispute(Conflict("photo", self.user, tuple(doubtful)))

    def _check_apart(self, part: Apart) -> None:
        sides = [
            [row for row in side if row in self.stated or row in self.named]
            for side in (part.first, part.second)
        ]
        roots = [{self.groups.find(row) for row in side} for side in sides]
        both = roots[0] & roots[1]
        if both:
            # Those that were pointed at are fewer, and it is of them that we do not know.
            faces = tuple(row for row in sides[0] if self.groups.find(row) in both)
            self._dispute(Conflict("statement", self.user, faces, part.decision))

    def _dispute(self, conflict: Conflict) -> None:
        self.conflicts.append(conflict)
        self._disputed.update(conflict.faces)


def count_evidence(signals: Signals) -> dict[str, int]:
    """Number of faces by what tells who they are."""
    values, counts = np.unique([e or "unknown" for e in signals.evidence], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
