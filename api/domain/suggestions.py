"""Who may be one person: pairs to accept or decline, those that save most work first.

Suggestions are computed from the people as they are, so that every decision changes them at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from api.domain import edits
from api.domain.centers import centers_of
from api.domain.certainty import same_person
from api.domain.decisions import name_key
from api.domain.labels import others_linked
from api.domain.ledger import Outcome, people_of
from api.domain.models import Album
from api.domain.projection import ordered
from api.domain.state import Centers, Floats, Ints, People, Person
from api.errors import NotFound
from api.ids import derived_id
from api.services import Services

LEAST = 0.05
"""Probability below which a pair is not worth a look."""
SAME_NAME = 0.9
"""At least so probable are two of one name: somebody gave it to both."""
MAX_SHARED = 0.15
"""Photos that both are in, as a share of the smaller's faces, from which on they are two people
(as in `faceflow_ml.clustering.reunite`): nobody is twice in many photos."""
_CANDIDATES = 2000
MOST = 200


@dataclass(frozen=True)
class Suggestion:
    """Two who may be one person.

    Attributes:
        id: of the pair, the same whenever it is suggested.
        kind: ``merge``: two of this album; ``label``: one has a name, which the other would get
            by the merge; ``linked``: the other is of a linked album, and only its name is taken.
        first: id of whom the merge keeps, or whom the name is for.
        second: id of the other.
        album_id: of the second.
        name: what they would be called.
        probability: in [0, 1] that they are one person.
        saved: expected edits saved: faces that would otherwise be moved, times the probability.
    """

    id: str
    kind: Literal["merge", "label", "linked"]
    first: str
    second: str
    album_id: str
    name: str | None
    probability: float
    saved: float


@dataclass(frozen=True, eq=False)
class _Side:
    """The people of one album who may be suggested: (k,) codes and names, (k,) row of each mode."""

    people: People
    codes: Ints
    modes: Ints
    owner: Ints
    """(q,) position in ``codes`` of whom each mode is of."""
    means: Floats
    """(q, d) mean vector of each mode."""


def suggest(services: Services, album: Album) -> list[Suggestion]:
    """Up to MOST suggestions, the most useful first."""
    people = people_of(services, album)
    if not people.alive():
        return []
    side = _side(people, centers_of(services, album, people), only_named=False)
    found = _within(side, album, services.engine.threshold)
    for other in others_linked(services, album):
        theirs = people_of(services, other)
        if theirs.contract == people.contract and theirs.alive():
            named = _side(theirs, centers_of(services, other, theirs), only_named=True)
            found += _linked(side, named, other, services.engine.threshold)
    found.sort(key=lambda suggestion: (-suggestion.saved, suggestion.id))
    return found[:MOST]


def answer(services: Services, album: Album, suggestion_id: str, *, accept: bool) -> Outcome:
    """Accept a suggestion, or decline it for good (until that is undone).

    Raises:
        NotFound: it is not suggested, or not any more.
    """
    found = {suggestion.id: suggestion for suggestion in suggest(services, album)}
    suggestion = found.get(suggestion_id)
    if suggestion is None:
        raise NotFound("there is no such suggestion any more")
    if not accept:
        return edits.dismiss(services, album, suggestion.first, suggestion.second)
    if suggestion.kind == "linked":
        return edits.label(services, album, suggestion.first, suggestion.name)
    return edits.merge(services, album, [suggestion.first, suggestion.second])


def _side(people: People, centers: Centers, *, only_named: bool) -> _Side:
    shown = [
        code
        for code in people.alive()
        if not people.persons[code].hidden
        and (people.persons[code].label is not None or not only_named)
    ]
    place = np.full(len(people.persons) + 2, -1, dtype=np.int32)
    place[shown] = np.arange(len(shown))
    held = people.mode[people.mode >= 0]
    counts = np.bincount(held, minlength=len(people.persons))
    owner = place[people.resolved[:-2]]
    modes = np.flatnonzero((counts > 0) & (owner >= 0)).astype(np.int32)
    means = centers.sums[modes] / counts[modes][:, None]
    return _Side(
        people, np.array(shown, dtype=np.int32), modes, owner[modes], means.astype(np.float32)
    )


def _closest(first: _Side, second: _Side, threshold: float) -> Floats:
    """(k, l) probability for each two, by the closest of their ways of looking."""
    # Modes in the order of whose they are, so that those of one person are neighbours. Everyone
    # here has a mode.
    rows, columns = np.argsort(first.owner), np.argsort(second.owner)
    similarity = first.means[rows] @ second.means[columns].T
    starts = np.searchsorted(first.owner[rows], np.arange(len(first.codes)))
    similarity = np.maximum.reduceat(similarity, starts, axis=0)
    starts = np.searchsorted(second.owner[columns], np.arange(len(second.codes)))
    similarity = np.maximum.reduceat(similarity, starts, axis=1)
    return same_person(similarity, threshold)


def _within(side: _Side, album: Album, threshold: float) -> list[Suggestion]:
    people, sizes = side.people, side.people.sizes[side.codes]
    chance = _closest(side, side, threshold)
    names: dict[str, list[int]] = {}
    for k, code in enumerate(side.codes.tolist()):
        label = people.persons[code].label
        if label is not None:
            names.setdefault(name_key(label), []).append(k)
    for same in names.values():
        chance[np.ix_(same, same)] = np.maximum(chance[np.ix_(same, same)], SAME_NAME)
    a, b = np.triu_indices(len(side.codes), 1)
    saved = chance[a, b] * np.minimum(sizes[a], sizes[b])
    likely = np.flatnonzero(chance[a, b] >= LEAST)
    best = likely[np.argsort(-saved[likely], kind="stable")][:_CANDIDATES]
    people.index_members()
    found = []
    for k in best.tolist():
        codes = int(side.codes[a[k]]), int(side.codes[b[k]])
        suggestion = _pair(people, codes, float(chance[a[k], b[k]]), album)
        if suggestion is not None:
            found.append(suggestion)
        if len(found) == MOST:
            break
    return found


def _pair(people: People, codes: tuple[int, int], chance: float, album: Album) -> Suggestion | None:
    """The suggestion of two people, None if it would be wrong or was declined."""
    # Whom the merge keeps comes first: who has a name, then the larger.
    first, second = sorted(
        codes,
        key=lambda code: (
            people.persons[code].label is None,
            -int(people.sizes[code]),
            people.persons[code].id,
        ),
    )
    one, other = people.persons[first], people.persons[second]
    if ordered(one.id, other.id) in people.dismissed or _different_names(one, other):
        return None
    smaller = int(min(people.sizes[first], people.sizes[second]))
    photos = [people.table.photo[people.members(code)] for code in (first, second)]
    shared = len(np.intersect1d(photos[0], photos[1]))
    if shared > MAX_SHARED * smaller:
        return None
    chance *= 1.0 - shared / smaller
    return Suggestion(
        id=derived_id("suggestion", *ordered(one.id, other.id)),
        kind="merge" if one.label is None or other.label is not None else "label",
        first=one.id,
        second=other.id,
        album_id=album.id,
        name=one.label,
        probability=round(chance, 4),
        saved=round(chance * smaller, 4),
    )


def _different_names(one: Person, other: Person) -> bool:
    if one.label is None or other.label is None:
        return False
    return name_key(one.label) != name_key(other.label)


def _linked(side: _Side, named: _Side, other: Album, threshold: float) -> list[Suggestion]:
    """Names from another album for people who have none here, the likeliest of each."""
    if not len(named.codes):
        return []
    chance = _closest(side, named, threshold)
    found = []
    for k, code in enumerate(side.codes.tolist()):
        person = side.people.persons[code]
        if person.label is not None:
            continue
        for there in np.argsort(-chance[k], kind="stable").tolist():
            theirs = named.people.persons[int(named.codes[there])]
            probability = float(chance[k, there])
            if probability < 0.5:
                break
            if ordered(person.id, theirs.id) in side.people.dismissed:
                continue
            saved = probability  # one name that need not be typed
            found.append(
                Suggestion(
                    id=derived_id("suggestion", *ordered(person.id, theirs.id)),
                    kind="linked",
                    first=person.id,
                    second=theirs.id,
                    album_id=other.id,
                    name=theirs.label,
                    probability=round(probability, 4),
                    saved=round(saved, 4),
                )
            )
            break
    return found
