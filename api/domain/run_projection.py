"""How a clustering run edits the people: what still holds of it under the log as it is now.

In the log as it was when the run was made, all of it holds. Entries that were taken back or done
again since, or that came in while the run was computed, may rule out some of its moves.
"""

from __future__ import annotations

import numpy as np

from api.domain.decisions import Run
from api.domain.models import Decision
from api.domain.runs import NOBODY, MachineRun
from api.domain.state import Flags, Floats, Ints, People, Person, changed

_ABSENT = -3
"""In place of a cluster that an entry made which was taken back."""


def apply_run(people: People, run: MachineRun, payload: Run, entry: Decision) -> People:
    """The people after a run."""
    people = with_new_faces(people, run)
    people, codes = _with_new_persons(people, run, entry.created_at)
    before, mode = codes[run.before], codes[run.after]
    there = mode != _ABSENT
    after = people.resolved[np.where(there, mode, NOBODY)]

    moves = (people.mode[run.faces] == before) & ~people.pinned[run.faces] & there
    moves &= before != mode
    if people.rejected:
        pairs = zip(run.faces.tolist(), after.tolist(), strict=True)
        moves &= np.array([pair not in people.rejected for pair in pairs], dtype=np.bool_)
    moves = _without_conflicts(people, run.faces, after, moves)
    cluster, modes = people.cluster.copy(), people.mode.copy()
    cluster[run.faces[moves]] = after[moves]
    modes[run.faces[moves]] = mode[moves]

    # A confidence goes with its move; of a face that stays, it is of where it is now.
    graded = (modes[run.faces] == mode) & ~people.confirmed[run.faces]
    confidence: Floats = people.confidence.copy()
    confidence[run.faces[graded]] = run.confidence[graded]
    confidence[cluster < 0] = 0.0
    return changed(
        people, cluster=cluster, mode=modes, confidence=confidence, contract=payload.contract
    )


def with_new_faces(people: People, run: MachineRun) -> People:
    """The people with the new faces of a run, still nobody's."""
    k = len(run.new_faces)
    if k == 0:
        return people
    return changed(
        people,
        table=people.table.extended(run),
        cluster=np.append(people.cluster, np.full(k, NOBODY, dtype=np.int32)),
        mode=np.append(people.mode, np.full(k, NOBODY, dtype=np.int32)),
        confidence=np.append(people.confidence, np.zeros(k, dtype=np.float32)),
        pinned=np.append(people.pinned, np.zeros(k, dtype=np.bool_)),
        confirmed=np.append(people.confirmed, np.zeros(k, dtype=np.bool_)),
    )


def _with_new_persons(people: People, run: MachineRun, moment: str) -> tuple[People, Ints]:
    """The people with the clusters that the run made, and the codes of its names.

    The codes have one more place, so that NOBODY, which is -1, finds NOBODY there.
    """
    named = [
        (name.decode(), made)
        for name, made in zip(run.names.tolist(), run.made.tolist(), strict=True)
    ]
    fresh = tuple(Person(name, created_at=moment) for name, made in named if made)
    people = changed(people, persons=(*people.persons, *fresh))
    codes = [people.find_mode(name) for name, _ in named]
    known = [_ABSENT if code is None else code for code in codes]
    return people, np.array([*known, NOBODY], dtype=np.int32)


def _without_conflicts(people: People, faces: Ints, after: Ints, moves: Flags) -> Flags:
    """The moves that empty no named cluster and put no second face of a photo into a cluster.

    Taking back one move can bring another into conflict, so that this goes on until none is; at
    the latest when nothing moves, since the people before had no conflict of a run's making.
    """
    moves = moves.copy()
    while moves.any():
        cluster = people.cluster.copy()
        cluster[faces[moves]] = after[moves]
        keep = _kept_names(people, cluster, faces) & _free_seats(people, cluster, faces, moves)
        if keep[moves].all():
            break
        moves &= keep
    return moves


def _kept_names(people: People, cluster: Ints, faces: Ints) -> Flags:
    """(e,) False for faces of a named or hidden cluster that would be left empty."""
    m = len(people.persons)
    held = np.bincount(cluster[cluster >= 0], minlength=m)
    emptied = (people.sizes > 0) & (held == 0)
    lost = [
        code
        for code in np.flatnonzero(emptied).tolist()
        if people.persons[code].label is not None or people.persons[code].hidden
    ]
    return np.isin(people.cluster[faces], lost, invert=True)


def _free_seats(people: People, cluster: Ints, faces: Ints, moves: Flags) -> Flags:
    """(e,) False for moved faces that come into a cluster where their photo already has one."""
    moved = np.zeros(len(cluster), dtype=np.bool_)
    moved[faces[moves]] = True
    photo = people.table.photo
    concerned = np.zeros(len(people.table.photo_ids), dtype=np.bool_)
    concerned[photo[moved]] = True
    rivals = np.flatnonzero(concerned[photo] & (cluster >= 0))
    seat = photo[rivals].astype(np.int64) * len(people.persons) + cluster[rivals]
    # Who was there first keeps the seat.
    order = np.lexsort((moved[rivals], seat))
    second = np.zeros(len(rivals), dtype=np.bool_)
    second[1:] = seat[order][1:] == seat[order][:-1]
    barred = np.zeros(len(cluster), dtype=np.bool_)
    barred[rivals[order[second]]] = True
    return ~(barred & moved)[faces]
