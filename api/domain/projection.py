"""The people of an album, as the log tells them: a pure fold over its entries.

Each entry edits the people that the entries before it made. An entry that was taken back is left
out of the fold, so that undoing works in any order: what came later still holds where it can. For
that, entries say what they mean under any history: a merge moves whoever is then in the merged
clusters, a run moves a face only from where the run saw it and never against a person's word.

Invariants, whatever the log:

- A cluster that has a name or is hidden is not emptied by a run: no label is lost.
- Of two faces of one photo in one cluster, a person placed at least one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from api.domain.decisions import (
    Confirm,
    Dismiss,
    Entry,
    Forget,
    Hide,
    Label,
    Merge,
    Move,
    Reject,
    Run,
    Split,
    Undo,
    payload_of,
    standing,
)
from api.domain.models import Decision, DecisionKind
from api.domain.run_projection import apply_run
from api.domain.runs import NOBODY, MachineRun
from api.domain.state import GONE, Ints, People, Person, changed

T = TypeVar("T", bound=np.generic)
LoadRun = Callable[[str], MachineRun]
"""The run of an entry's id."""


def project(log: Sequence[Decision], load_run: LoadRun) -> People:
    """The people of an album from its whole log, oldest entry first."""
    people = advance(People.nobody(), log, load_run)
    assert people is not None  # nothing in the log is older than its beginning
    return people


def advance(base: People, tail: Sequence[Decision], load_run: LoadRun) -> People | None:
    """The people some entries later than ``base``.

    Returns:
        None if one of the entries takes back, or brings back, what is part of ``base`` already:
        then the fold has to begin earlier.
    """
    fresh = [(entry.id, Undo.model_validate(entry.data).decision) for entry in tail if _undo(entry)]
    undos = (*base.undos, *fresh)
    target = dict(undos)
    for undo, _ in fresh:
        if base.head is not None and _subject(undo, target) <= base.head:
            return None
    counts = standing(undos).counts
    people = base
    for entry in tail:
        if counts(entry.id):
            people = apply(people, entry, load_run)
        elif entry.kind == DecisionKind.SPLIT:
            split = Split.model_validate(entry.data)
            people = changed(people, unsplit={**people.unsplit, split.new: split.cluster})
        elif entry.kind == DecisionKind.MOVE:
            people = _unmoved(people, Move.model_validate(entry.data))
    return changed(people, head=tail[-1].id if tail else base.head, undos=undos)


def _unmoved(people: People, move: Move) -> People:
    """The people with a note of where the faces of a move that was taken back are, if it made a
    cluster: whoever joined them there later goes with most of them."""
    modes = people.mode[people.numbers(move.faces)]
    modes = modes[modes >= 0]
    if people.find_mode(move.cluster) is not None or not len(modes):
        return people
    home = people.persons[int(np.bincount(modes).argmax())].id
    return changed(people, unsplit={**people.unsplit, move.cluster: home})


def _undo(entry: Decision) -> bool:
    return entry.kind == DecisionKind.UNDO


def _subject(undo: str, target: Mapping[str, str]) -> str:
    """The entry that an UNDO, of an UNDO maybe, is about in the end."""
    while undo in target:
        undo = target[undo]
    return undo


def apply(people: People, entry: Decision, load_run: LoadRun) -> People:
    """The people after one more entry that counts. An UNDO edits nothing: it tells which count."""
    payload = payload_of(entry)
    if isinstance(payload, Undo):
        return changed(people, head=entry.id)
    if isinstance(payload, Run):
        after = apply_run(people, load_run(entry.id), payload, entry)
    else:
        after = _edit(people, payload, entry.created_at)
    return changed(after, head=entry.id)


def _edit(people: People, payload: Entry, moment: str) -> People:
    match payload:
        case Label():
            return _label(people, payload)
        case Merge():
            return _merge(people, payload)
        case Split():
            return _place(people, payload.faces, payload.new, moment)
        case Move():
            return _place(people, payload.faces, payload.cluster, moment)
        case Confirm():
            return _confirm(people, payload)
        case Reject():
            return _reject(people, payload)
        case Hide():
            code = people.find(payload.cluster)
            return people if code is None else people.with_person(code, hidden=payload.hidden)
        case Dismiss():
            return _dismiss(people, payload)
        case Forget():
            gone = people.numbers(payload.faces)
            return _moved(people, gone, GONE, placed=False)
        case _:
            raise TypeError(f"{type(payload).__name__} is no edit")


def _label(people: People, payload: Label) -> People:
    code = people.code.get(payload.cluster)
    if code is None:
        return people
    target = people.resolve(code)
    if target == code:
        return people.with_person(code, label=payload.name)
    # Only an undone merge that is done again brings this about: the name is of someone who has
    # become part of another. It stays with them, and fills in where the other has none.
    people = people.with_person(code, label=payload.name)
    if people.persons[target].label is None:
        people = people.with_person(target, label=payload.name)
    return people


def _merge(people: People, payload: Merge) -> People:
    known = [people.code[cluster] for cluster in payload.clusters if cluster in people.code]
    codes = list(dict.fromkeys(map(people.resolve, known)))
    if len(codes) < 2:
        return people
    target, others = codes[0], codes[1:]
    everyone = np.isin(people.cluster, codes)
    cluster = np.where(everyone, np.int32(target), people.cluster)
    labels = [people.persons[code].label for code in codes]
    shown = [code for code in codes if not people.persons[code].hidden]
    rename = dict.fromkeys(others, target)
    people = changed(
        people,
        cluster=cluster,
        pinned=people.pinned | everyone,
        merged={**people.merged, **rename},
        rejected=frozenset((f, rename.get(c, c)) for f, c in people.rejected),
        dismissed=_renamed(people, rename),
    ).with_person(
        target,
        label=next((label for label in labels if label is not None), None),
        hidden=not shown,
    )
    # Whoever merges what a face was said not to be says that it is, after all.
    rejected = frozenset((f, c) for f, c in people.rejected if cluster[f] != c)
    return changed(people, rejected=rejected)


def _renamed(people: People, rename: dict[int, int]) -> frozenset[tuple[str, str]]:
    ids = {people.persons[a].id: people.persons[b].id for a, b in rename.items()}
    pairs = ((ids.get(a, a), ids.get(b, b)) for a, b in people.dismissed)
    return frozenset(ordered(a, b) for a, b in pairs if a != b)


def _place(people: People, faces: Sequence[str], cluster: str, moment: str) -> People:
    """A person puts faces into a cluster, a new one if there is none of that id."""
    mode = people.find_mode(cluster)
    if mode is not None:
        code = people.resolve(mode)
    else:
        code = len(people.persons)
        person = Person(cluster, created_at=moment)
        people = changed(people, persons=(*people.persons, person))
    return _moved(people, people.numbers(faces), code, placed=True)


def _confirm(people: People, payload: Confirm) -> People:
    """Holds of those faces only that are there still."""
    mode = people.find_mode(payload.cluster)
    if mode is None:
        return people
    faces = people.numbers(payload.faces)
    faces = faces[people.cluster[faces] == people.resolve(mode)]
    return changed(
        people,
        confidence=_with(people.confidence, faces, 1.0),
        pinned=_with(people.pinned, faces, True),
        confirmed=_with(people.confirmed, faces, True),
    )


def _reject(people: People, payload: Reject) -> People:
    code = people.find(payload.cluster)
    face = people.numbers([payload.face])
    if code is None or not len(face):
        return people
    number = int(face[0])
    if people.cluster[number] == code:
        people = _moved(people, face, NOBODY, placed=False)
    return changed(people, rejected=people.rejected | {(number, code)})


def _dismiss(people: People, payload: Dismiss) -> People:
    codes = [people.find(cluster) for cluster in (payload.first, payload.second)]
    first, second = (
        cluster if code is None else people.persons[code].id
        for code, cluster in zip(codes, (payload.first, payload.second), strict=True)
    )
    if first == second:
        return people
    return changed(people, dismissed=people.dismissed | {ordered(first, second)})


def _moved(people: People, faces: Ints, code: int, *, placed: bool) -> People:
    """Faces in another cluster; ``placed``: by a person who says who they are."""
    moved = {(int(face), code) for face in faces} if placed else set()
    return changed(
        people,
        cluster=_with(people.cluster, faces, code),
        mode=_with(people.mode, faces, code),
        confidence=_with(people.confidence, faces, 1.0 if placed else 0.0),
        pinned=_with(people.pinned, faces, placed),
        confirmed=_with(people.confirmed, faces, placed),
        rejected=people.rejected - moved,
    )


def _with(array: NDArray[T], places: Ints, value: float) -> NDArray[T]:
    """An array with other values in some places."""
    array = array.copy()
    array[places] = value
    return array


def ordered(first: str, second: str) -> tuple[str, str]:
    """A pair without an order."""
    return (first, second) if first < second else (second, first)
