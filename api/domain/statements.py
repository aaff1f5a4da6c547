"""What people's decisions say of faces: these are one person, those are not.

A decision names clusters as they were at its time. Replayed on the log, each becomes statements
about faces, which need no log to be read. Decisions that were taken back say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from api.domain.decisions import (
    Confirm,
    Dismiss,
    Entry,
    Label,
    Merge,
    Move,
    Reject,
    Split,
    Undo,
    payload_of,
    standing,
)
from api.domain.models import Decision, DecisionKind
from api.domain.projection import LoadRun, advance
from api.domain.state import GONE, People, changed

Relation = Literal["same", "different"]


@dataclass(frozen=True)
class Statement:
    """What one decision says; some say two things.

    relation: "same": all faces of ``first`` and ``second`` are one person. "different": no face of
        ``first`` is the person of a face of ``second``.
    first, second: ids of faces that are still there; those of ``first`` were pointed at, those of
        ``second`` are who they were compared with.
    """

    decision: str
    at: str
    kind: str
    relation: Relation
    first: tuple[str, ...]
    second: tuple[str, ...] = ()


_Numbers = NDArray[np.int64] | NDArray[np.int32]
_Claim = tuple[Relation, _Numbers, _Numbers]
_NOBODY = np.empty(0, dtype=np.int32)


def statements(
    log: Sequence[Decision], load_run: LoadRun, elsewhere: Iterable[People] = ()
) -> Iterator[Statement]:
    """The statements of an album's log, oldest first.

    Args:
        log: the whole of it, oldest entry first.
        load_run: as for `projection.project`.
        elsewhere: the people of the user's other albums, of whom a dismissed suggestion may speak.
            Their faces come in ``second`` only.
    """
    others = tuple(elsewhere)
    undos = tuple(
        (entry.id, Undo.model_validate(entry.data).decision)
        for entry in log
        if entry.kind is DecisionKind.UNDO
    )
    # All undos are known beforehand, so that each entry is applied, or passed over, once.
    people = changed(People.nobody(), undos=undos)
    counts = standing(undos).counts
    found: list[tuple[Decision, _Claim, tuple[str, ...]]] = []
    for entry in log:
        if entry.kind is DecisionKind.UNDO:
            continue
        if counts(entry.id):
            payload = payload_of(entry)
            found += [(entry, claim, ()) for claim in _claims(people, payload)]
            if isinstance(payload, Dismiss):
                here: _Claim = ("different", _only_here(people, payload), _NOBODY)
                found.append((entry, here, _elsewhere(others, payload)))
        advanced = advance(people, [entry], load_run)
        assert advanced is not None  # nothing but an UNDO goes back
        people = advanced
    # Faces keep their numbers, so that the last people tell which of them are still there.
    hidden = {code for code, person in enumerate(people.persons) if person.hidden}
    for entry, (relation, first, second), away in found:
        kept = _ids(people, first, hidden), _ids(people, second, hidden) + away
        if kept[0] and (kept[1] or relation == "same"):
            yield Statement(entry.id, entry.created_at, str(entry.kind), relation, *kept)


def _claims(people: People, payload: Entry) -> Iterator[_Claim]:
    match payload:
        case Merge():
            known = [people.code[cluster] for cluster in payload.clusters if cluster in people.code]
            codes = list(dict.fromkeys(map(people.resolve, known)))
            groups = [people.members(code) for code in codes]
            for group in groups[1:]:
                yield "same", group, groups[0]
        case Split():
            faces = people.numbers(payload.faces)
            yield "same", faces, _NOBODY
            yield from _apart(people, faces, people.find(payload.cluster))
        case Move():
            faces = people.numbers(payload.faces)
            mode = people.find_mode(payload.cluster)
            target = None if mode is None else people.resolve(mode)
            joined = _NOBODY if target is None else people.members(target)
            yield "same", faces, np.setdiff1d(joined, faces)
            for code in np.unique(people.cluster[faces]).tolist():
                if code >= 0 and code != target:
                    leaving = faces[people.cluster[faces] == code]
                    yield "different", leaving, np.setdiff1d(people.members(code), faces)
        case Reject():
            yield from _apart(people, people.numbers([payload.face]), people.find(payload.cluster))
        case Confirm():
            mode = people.find_mode(payload.cluster)
            if mode is not None:
                members = people.members(people.resolve(mode))
                faces = np.intersect1d(people.numbers(payload.faces), members)
                known_before = members[people.confirmed[members]]
                yield "same", faces, np.setdiff1d(known_before, faces)
        case Dismiss():
            one, other = people.find(payload.first), people.find(payload.second)
            if one is not None and other is not None and one != other:
                yield "different", people.members(one), people.members(other)
        case Label(name=str()):
            code = people.find(payload.cluster)
            if code is not None:
                yield "same", people.members(code), _NOBODY


def _apart(people: People, faces: _Numbers, code: int | None) -> Iterator[_Claim]:
    if code is not None:
        yield "different", faces, np.setdiff1d(people.members(code), faces)


def _only_here(people: People, payload: Dismiss) -> _Numbers:
    """The faces of the one cluster that is of this album, if the other is not."""
    codes = [people.find(cluster) for cluster in (payload.first, payload.second)]
    here = [code for code in codes if code is not None]
    return people.members(here[0]) if len(here) == 1 else _NOBODY


def _elsewhere(others: Sequence[People], payload: Dismiss) -> tuple[str, ...]:
    for people in others:
        for cluster in (payload.first, payload.second):
            code = people.find(cluster)
            if code is not None and not people.persons[code].hidden:
                return _ids(people, people.members(code), set())
    return ()


def _ids(people: People, faces: _Numbers, hidden: set[int]) -> tuple[str, ...]:
    """Ids of the faces whose photos are there, and who are not hidden: strangers say nothing."""
    return tuple(
        people.table.face_id(int(face))
        for face in faces
        if (code := int(people.cluster[face])) != GONE and code not in hidden
    )
