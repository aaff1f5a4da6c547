"""What the machine makes of the faces under what people decided: pure functions to a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from api.domain.certainty import face_confidence, joined_confidence
from api.domain.runs import NOBODY, Ids, MachineRun
from api.domain.state import GONE, Floats, Ints, People, as_ids
from api.domain.vectors import has_vector
from api.ids import new_id
from faceflow_ml import cluster_faces
from faceflow_ml.clustering.confidence import ConfidenceModel
from faceflow_ml.clustering.incremental import GroupState, IncrementalAssigner
from faceflow_ml.clustering.stable_ids import match_groups

_CORE = 8
"""Faces that stand for a cluster which a person knows but of which no face is pinned."""
_CONFIDENCE_STEP = 0.02
"""A change of confidence below it is not worth a write."""
_LEFTOVERS = 5000
"""Up to so many faces of nobody are looked at again when new ones come; more wait for all to be
grouped anew, since looking takes time with their square."""


@dataclass(frozen=True, eq=False)
class NewFaces:
    """Faces that the log has not seen: (k,) ids, their photos', quality, rows in the photo's
    vectors, and (k, 512) vectors."""

    ids: Ids
    photos: Ids
    quality: Floats
    rows: Ints
    vectors: Floats

    def introduce(self) -> MachineRun:
        """A run that brings the faces and moves nobody."""
        none = np.empty(0, dtype=np.int32)
        return MachineRun(
            new_faces=self.ids,
            new_photos=self.photos,
            new_quality=self.quality,
            new_rows=self.rows,
            names=as_ids([]),
            made=np.empty(0, dtype=np.bool_),
            faces=none,
            before=none,
            after=none,
            confidence=np.empty(0, dtype=np.float32),
        )


@dataclass(frozen=True, eq=False)
class Constraints:
    """What people decided, as pairs of face numbers for the clustering.

    core: modes of people whom somebody knows, and the faces that stand for each. They share a
        group, and none with those of another person: only people merge people whom they know.
    """

    core: dict[int, NDArray[np.int64]]
    must_link: list[tuple[int, int]]
    cannot_link: list[tuple[int, int]]


def constraints(people: People) -> Constraints:
    """The decisions as must-links and cannot-links; they never contradict each other."""
    core: dict[int, NDArray[np.int64]] = {}
    first: dict[int, list[int]] = {}
    for code in sorted(_known(people)):
        members = people.members(code)
        modes = people.mode[members]
        for mode in np.unique(modes).tolist():
            core[mode] = _core(people, members[modes == mode])
            first.setdefault(code, []).append(int(core[mode][0]))
    must = [(int(faces[0]), int(face)) for faces in core.values() for face in faces[1:]]
    cannot = [
        (one, other) for a, b in combinations(first, 2) for one in first[a] for other in first[b]
    ]
    cannot += [
        (face, one)
        for face, code in sorted(people.rejected)
        if people.cluster[face] not in (code, GONE)
        for one in first.get(code, [])
    ]
    return Constraints(core, must, cannot)


def _core(people: People, members: NDArray[np.int64]) -> NDArray[np.int64]:
    """The faces that people placed, or else the surest."""
    pinned = members[people.pinned[members]]
    if len(pinned):
        return pinned
    return members[np.argsort(-people.confidence[members], kind="stable")[:_CORE]]


def _known(people: People) -> set[int]:
    """The persons with faces whom people have said something of."""
    alive = set(people.alive())
    known = {code for code in alive if people.persons[code].label or people.persons[code].hidden}
    held = people.cluster[people.pinned]
    known |= set(np.unique(held[held >= 0]).tolist())
    known |= {code for _, code in people.rejected}
    known |= {people.code[c] for pair in people.dismissed for c in pair if c in people.code}
    return known & alive


def group_all(
    people: People, vectors: Floats, threshold: float, model: ConfidenceModel
) -> MachineRun:
    """Group every face anew.

    People's word holds: constraints, and pinned faces stay. A group goes on under the id of the
    cluster whose core it holds, or else of the one it overlaps most.

    Args:
        people: with the new faces, which are nobody's yet.
        vectors: (n, 512) of all; those without one stay where they are.
        threshold: see `faceflow_ml.cluster_faces`.
        model: how sure groups are, of the same embedder.
    """
    chosen = np.flatnonzero(has_vector(vectors) & (people.cluster != GONE))
    place = np.full(len(people.table), -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    decided = constraints(people)
    labels = cluster_faces(
        vectors[chosen],
        people.table.photo[chosen],
        must_link=_local(decided.must_link, place),
        cannot_link=_local(decided.cannot_link, place),
        quality=people.table.quality[chosen],
        threshold=threshold,
    )
    names = _names(people, decided, chosen, place, labels)
    after = [names[label] if label >= 0 else None for label in labels.tolist()]
    # Someone known must not vanish into nobody for want of similar faces.
    for mode, faces in decided.core.items():
        for k in place[faces][place[faces] >= 0].tolist():
            after[k] = people.persons[mode].id
    sure = face_confidence(vectors[chosen], after, model)
    return _run(people, chosen, after, sure)


def _local(pairs: Sequence[tuple[int, int]], place: NDArray[np.int64]) -> list[tuple[int, int]]:
    ends = ((int(place[a]), int(place[b])) for a, b in pairs)
    return [(a, b) for a, b in ends if a >= 0 and b >= 0]


def _names(
    people: People,
    decided: Constraints,
    chosen: NDArray[np.int64],
    place: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> list[str]:
    """The cluster id of each group: of the core in it, or of most of its faces, or a new one."""
    names: list[str | None] = [None] * (int(labels.max(initial=-1)) + 1)
    for mode, faces in decided.core.items():
        groups = labels[place[faces][place[faces] >= 0]]
        if len(groups) and groups[0] >= 0 and names[groups[0]] is None:
            names[groups[0]] = people.persons[mode].id
    # The rest are numbered anew for matching, NOBODY at the end for those of no group.
    free = np.array([name is None for name in names], dtype=np.bool_)
    number = np.append(np.where(free, np.cumsum(free) - 1, NOBODY), NOBODY)
    old = {
        str(k): people.persons[mode].id
        for k, mode in enumerate(people.mode[chosen].tolist())
        if mode >= 0 and mode not in decided.core
    }
    everyone = [str(k) for k in range(len(chosen))]
    matched = match_groups(old, everyone, number[labels]).ids
    fresh = iter([name if name in people.code else new_id() for name in matched])
    return [next(fresh) if name is None else name for name in names]


def leftovers(people: People, first_new: int) -> NDArray[np.int64]:
    """The faces of nobody that are looked at when those from ``first_new`` on have come."""
    nobody = people.unassigned()
    return nobody[nobody >= first_new] if len(nobody) > _LEFTOVERS else nobody


def assign(
    people: People,
    faces: NDArray[np.int64],
    vectors: Floats,
    sums: Floats,
    threshold: float,
    model: ConfidenceModel,
) -> MachineRun:
    """Let faces of nobody join the clusters that there are, or found new ones together.

    The others are known by their sums alone: an album of a hundred thousand is not read for one
    more photo.

    Args:
        people: with the faces.
        faces: (f,) their numbers.
        vectors: (f, 512) of them; those without one stay nobody's.
        sums: (m, 512) of the vectors of each mode, see `Centers`; m may be less than there are.
        threshold: see `faceflow_ml.cluster_faces`.
        model: how sure groups are, of the same embedder.
    """
    usable = has_vector(vectors)
    looked, own = faces[usable], vectors[usable]
    counts = np.bincount(people.mode[people.mode >= 0], minlength=len(people.persons))
    modes = np.flatnonzero((counts[: len(sums)] > 0) & has_vector(sums))
    state = GroupState(
        ids=np.array([people.persons[mode].id for mode in modes.tolist()], dtype=np.str_),
        sums=sums[modes],
        counts=counts[modes].astype(np.int64),
        next_number=1,
    )
    assigner = IncrementalAssigner(state, threshold)
    assigned = assigner.assign(
        own,
        people.table.photo[looked],
        _excluded(people, looked),
        quality=people.table.quality[looked],
    )
    made: dict[str, str] = {}
    after = [
        name if name is None or name in people.code else made.setdefault(name, new_id())
        for name in assigned
    ]
    return _run(people, looked, after, joined_confidence(own, assigned, assigner.state, model))


def _excluded(people: People, faces: NDArray[np.int64]) -> list[set[str]]:
    """For each face the modes that it must not join: of people who have a face of its photo, and
    of those that a person said it is not."""
    photo, cluster = people.table.photo, people.cluster
    wanted = np.zeros(len(people.table.photo_ids), dtype=np.bool_)
    wanted[photo[faces]] = True
    in_photo: dict[int, set[int]] = {}
    for face in np.flatnonzero(wanted[photo] & (cluster >= 0)).tolist():
        in_photo.setdefault(int(photo[face]), set()).add(int(cluster[face]))
    said: dict[int, set[int]] = {}
    for face, code in people.rejected:
        said.setdefault(face, set()).add(code)
    modes: dict[int, set[str]] = {}
    for code, person in enumerate(people.persons):
        modes.setdefault(people.resolve(code), set()).add(person.id)
    barred = (
        in_photo.get(int(photo[face]), set()) | said.get(face, set()) for face in faces.tolist()
    )
    return [set[str]().union(*(modes[code] for code in codes)) for codes in barred]


def _run(
    people: People, faces: NDArray[np.int64], after: Sequence[str | None], sure: Floats
) -> MachineRun:
    """The run that moves faces to where they belong now, as far as that differs."""
    was = people.mode[faces]
    names = sorted({name for name in after if name is not None})
    made = [name for name in names if name not in people.code]
    codes = {name: people.code[name] for name in names if name in people.code}
    codes |= {name: len(people.persons) + k for k, name in enumerate(made)}
    target = np.array([NOBODY if name is None else codes[name] for name in after], dtype=np.int32)
    target = np.where(people.pinned[faces], was, target)
    target = _one_per_photo(people, faces, was, target, sure)
    regraded = np.abs(sure - people.confidence[faces]) >= _CONFIDENCE_STEP
    regraded &= (target >= 0) & ~people.confirmed[faces]
    moves = (target != was) | regraded
    used = np.unique(np.concatenate([was[moves], target[moves]]))
    used = used[used >= 0]
    all_names = [*(person.id for person in people.persons), *made]
    number = np.full(len(all_names) + 1, NOBODY, dtype=np.int32)
    number[used] = np.arange(len(used))
    return MachineRun(
        new_faces=as_ids([]),
        new_photos=as_ids([]),
        new_quality=np.empty(0, dtype=np.float32),
        new_rows=np.empty(0, dtype=np.int32),
        names=as_ids(all_names[code] for code in used.tolist()),
        made=used >= len(people.persons),
        faces=faces[moves].astype(np.int32),
        before=number[was[moves]],
        after=number[target[moves]],
        confidence=sure[moves].astype(np.float32),
    )


def _one_per_photo(
    people: People, faces: NDArray[np.int64], was: Ints, target: Ints, sure: Floats
) -> Ints:
    """The targets with all but one face of a photo in a merged person put out.

    The clustering keeps faces of a photo out of one mode, not out of two modes of one person. Who
    was placed by a person stays, then who was there, then the surest.
    """
    resolved = np.append(
        people.resolved[:-2], np.arange(len(people.persons), target.max(initial=0) + 1)
    )
    person = np.where(target >= 0, resolved[target], NOBODY)
    seat = people.table.photo[faces].astype(np.int64) * (len(resolved) + 1) + person
    order = np.lexsort((-sure, target != was, ~people.pinned[faces], seat))
    second = np.zeros(len(faces), dtype=np.bool_)
    second[order[1:]] = seat[order][1:] == seat[order][:-1]
    out = second & (person >= 0) & ~people.pinned[faces]
    return np.where(out, np.int32(NOBODY), target)
