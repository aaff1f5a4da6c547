"""What people decide about an album's people: the typed entries of its append-only log.

Besides people's decisions the log holds what clustering runs moved and which faces are gone, so
that it alone tells who is who. Entries are never changed; UNDO takes back an earlier one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.domain.models import Decision, DecisionKind
from api.errors import BadRequest

NAME_LENGTH = 100
"""Characters in a person's name."""

Ids = Annotated[tuple[str, ...], Field(min_length=1)]


class Payload(BaseModel):
    """What an entry says. Ids of clusters and faces are those at the time of the entry."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )


class Label(Payload):
    """This is ``name``; None takes the name away."""

    cluster: str
    name: str | None


class Merge(Payload):
    """These are one person: the first."""

    clusters: Annotated[tuple[str, ...], Field(min_length=2)]


class Split(Payload):
    """These faces of ``cluster`` are another person: ``new``."""

    cluster: str
    faces: Ids
    new: str


class Reject(Payload):
    """This face is not this person."""

    cluster: str
    face: str


class Move(Payload):
    """These faces are ``cluster``, which may be new."""

    faces: Ids
    cluster: str


class Confirm(Payload):
    """These faces are this person, as shown."""

    cluster: str
    faces: Ids


class Hide(Payload):
    """Nobody we know: do not show (or show again)."""

    cluster: str
    hidden: bool


class Dismiss(Payload):
    """These two are not one person; ``second`` may be of another album."""

    first: str
    second: str


class Undo(Payload):
    """Take back an earlier entry; of an UNDO: do again what it took back."""

    decision: str


class Run(Payload):
    """A clustering run; what it moved lies in an object, see `domain.runs`.

    contract: of the vectors that it compared.
    full: did it group every face, or only new ones?
    """

    contract: str
    full: bool


class Forget(Payload):
    """The photos of these faces were removed."""

    faces: Ids


Entry = Label | Merge | Split | Reject | Move | Confirm | Hide | Dismiss | Undo | Run | Forget

KINDS: Mapping[DecisionKind, type[Entry]] = MappingProxyType(
    {
        DecisionKind.LABEL: Label,
        DecisionKind.MERGE: Merge,
        DecisionKind.SPLIT: Split,
        DecisionKind.REJECT: Reject,
        DecisionKind.MOVE: Move,
        DecisionKind.CONFIRM: Confirm,
        DecisionKind.HIDE: Hide,
        DecisionKind.DISMISS: Dismiss,
        DecisionKind.UNDO: Undo,
        DecisionKind.RUN: Run,
        DecisionKind.FORGET: Forget,
    }
)
_KIND_OF = {payload: kind for kind, payload in KINDS.items()}

HUMAN = frozenset(KINDS) - {DecisionKind.RUN, DecisionKind.FORGET}


def payload_of(decision: Decision) -> Entry:
    """The typed payload of an entry."""
    return KINDS[decision.kind].model_validate(decision.data)


def decision_of(
    payload: Entry, *, decision_id: str, album_id: str, user_id: str, created_at: str
) -> Decision:
    """The entry that keeps a payload."""
    return Decision(
        id=decision_id,
        album_id=album_id,
        user_id=user_id,
        created_at=created_at,
        kind=_KIND_OF[type(payload)],
        data=payload.model_dump(mode="json", by_alias=True),
    )


@dataclass(frozen=True)
class Standing:
    """Which entries count.

    undone: each entry that does not, with the UNDO entry that says so.
    """

    undone: Mapping[str, str]

    def counts(self, decision_id: str) -> bool:
        """Does this entry count?"""
        return decision_id not in self.undone


def standing(undos: Iterable[tuple[str, str]]) -> Standing:
    """Which entries count, given every (UNDO entry, entry it takes back), oldest first.

    >>> standing([("u1", "a"), ("u2", "u1"), ("u3", "b")]).undone
    {'b': 'u3', 'u1': 'u2'}
    """
    undone: dict[str, str] = {}
    # An UNDO refers to what is older, so that from the newest on each one's fate is known.
    for undo, target in reversed(list(undos)):
        if undo not in undone:
            undone.setdefault(target, undo)
    return Standing(undone)


def clean_name(text: str | None) -> str | None:
    """A person's name as it is kept: composed, single spaces; None for an empty one.

    Raises:
        BadRequest: too long, or with control characters.

    >>> clean_name("  Anna   Lee ")
    'Anna Lee'
    """
    if text is None:
        return None
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise BadRequest("a name has no control characters")
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if len(name) > NAME_LENGTH:
        raise BadRequest(f"a name has at most {NAME_LENGTH} characters")
    return name or None


def name_key(name: str) -> str:
    """What two spellings of one name have in common.

    >>> name_key("ANNA") == name_key("Anna")
    True
    """
    return unicodedata.normalize("NFKC", name).casefold()
