"""What people may do to an album's people. Every function checks the decision against the people
as they are, appends it to the log and gives what it did.

Raises, of all of them:
    NotFound: no such cluster, face, decision or album.
    BadRequest: it makes no sense: merging one with itself, splitting off everyone.
    Conflict: it was undone already, or others change the album all the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from api.domain.decisions import (
    Confirm,
    Dismiss,
    Forget,
    Hide,
    Label,
    Merge,
    Move,
    Reject,
    Split,
    Undo,
    clean_name,
    standing,
)
from api.domain.ledger import Outcome, append
from api.domain.models import Album, Decision, DecisionKind
from api.domain.state import Ints, People
from api.errors import BadRequest, Conflict, NotFound
from api.ids import new_id
from api.services import Services

_FORGET_AT_ONCE = 500
"""Faces per entry: an item of the table holds 400 kB."""


def label(services: Services, album: Album, cluster: str, name: str | None) -> Outcome:
    """Name a person; None or an empty name takes the name away."""
    cleaned = clean_name(name)

    def decide(people: People) -> Label:
        code_of(people, cluster)
        return Label(cluster=cluster, name=cleaned)

    return append(services, album, decide)


def merge(services: Services, album: Album, clusters: Sequence[str]) -> Outcome:
    """Make several clusters one person, the first."""
    if len(set(clusters)) < max(len(clusters), 2):
        raise BadRequest("name at least two clusters, each once")

    def decide(people: People) -> Merge:
        for cluster in clusters:
            code_of(people, cluster)
        return Merge(clusters=tuple(clusters))

    return append(services, album, decide)


def split(services: Services, album: Album, cluster: str, faces: Sequence[str]) -> Outcome:
    """Make some faces of a cluster a person of their own."""
    new = new_id()

    def decide(people: People) -> Split:
        code = code_of(people, cluster)
        numbers = _members(people, code, faces)
        if len(numbers) == people.sizes[code]:
            raise BadRequest("these are all of this person's faces; leave some")
        return Split(cluster=cluster, faces=tuple(faces), new=new)

    return append(services, album, decide)


def reject(services: Services, album: Album, cluster: str, face: str) -> Outcome:
    """This face is not this person: it becomes nobody's, and never this person's by itself."""

    def decide(people: People) -> Reject:
        _members(people, code_of(people, cluster), [face])
        return Reject(cluster=cluster, face=face)

    return append(services, album, decide)


def move(services: Services, album: Album, faces: Sequence[str], cluster: str | None) -> Outcome:
    """These faces are this person; None: somebody new."""
    new = new_id()

    def decide(people: People) -> Move:
        numbers = _numbers(people, faces)
        if cluster is not None:
            code = code_of(people, cluster)
            if (people.cluster[numbers] == code).all():
                raise BadRequest("these faces are this person already; confirm them instead")
        return Move(faces=tuple(faces), cluster=cluster or new)

    return append(services, album, decide)


def confirm(services: Services, album: Album, cluster: str, faces: Sequence[str]) -> Outcome:
    """These faces are who they are shown as."""

    def decide(people: People) -> Confirm:
        _members(people, code_of(people, cluster), faces)
        return Confirm(cluster=cluster, faces=tuple(faces))

    return append(services, album, decide)


def hide(services: Services, album: Album, cluster: str, *, hidden: bool) -> Outcome:
    """Do not show this person, or do again."""

    def decide(people: People) -> Hide:
        code_of(people, cluster)
        return Hide(cluster=cluster, hidden=hidden)

    return append(services, album, decide)


def dismiss(services: Services, album: Album, first: str, second: str) -> Outcome:
    """These two are not one person; the second may be of another album."""

    def decide(people: People) -> Dismiss:
        code_of(people, first)
        return Dismiss(first=first, second=second)

    return append(services, album, decide)


def undo(services: Services, album: Album, decision_id: str) -> Outcome:
    """Take back a decision; of an undo: do again what it took back."""
    key = Decision.key_of(album.id, decision_id)

    def decide(people: People) -> Undo:
        decision = services.decisions.get(key)
        if decision is None or decision.kind in {DecisionKind.RUN, DecisionKind.FORGET}:
            raise NotFound("there is no such decision")
        if not standing(people.undos).counts(decision_id):
            raise Conflict("this was undone already")
        return Undo(decision=decision_id)

    return append(services, album, decide)


def forget(services: Services, album: Album, faces: Sequence[str]) -> None:
    """Faces whose photo is removed leave the people. To be called before their rows are deleted;
    faces that the log has not seen are passed over, and calling it again does nothing."""
    for start in range(0, len(faces), _FORGET_AT_ONCE):
        some = faces[start : start + _FORGET_AT_ONCE]

        def decide(people: People, some: Sequence[str] = some) -> Forget:
            known = people.numbers(some)
            if not len(known):
                raise _NothingToDo
            return Forget(faces=tuple(people.table.face_id(int(face)) for face in known))

        try:
            append(services, album, decide)
        except _NothingToDo:
            continue


class _NothingToDo(Exception):
    """There is nothing to append."""


def code_of(people: People, cluster: str) -> int:
    """The number of a cluster that has faces.

    Raises:
        NotFound: there is none of this id, or it is empty.
    """
    code = people.code.get(cluster)
    if code is None or not people.sizes[code]:
        raise NotFound("there is no such person")
    return code


def _numbers(people: People, faces: Sequence[str]) -> Ints:
    if not faces or len(set(faces)) < len(faces):
        raise BadRequest("name at least one face, each once")
    numbers = people.numbers(faces)
    if len(numbers) < len(faces):
        raise NotFound("there is no such face")
    return numbers


def _members(people: People, code: int, faces: Sequence[str]) -> Ints:
    numbers = _numbers(people, faces)
    if (people.cluster[numbers] != code).any():
        raise BadRequest("these faces are not all of this person")
    return numbers
