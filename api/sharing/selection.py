"""Which photos a share's filters choose: pure functions over what is known of the photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from api.domain.share_models import ShareFilters


@dataclass(frozen=True)
class Sighting:
    """A face of a person in a photo.

    side: the shorter side of the face's box in pixels.
    """

    cluster: str
    side: float


@dataclass(frozen=True)
class Candidate:
    """What the filters look at in a photo.

    taken_on: by the camera; None: unknown.
    pixels: width times height; None: unknown.
    sharpness: as ingestion measured it; None: unknown.
    keeper: the photo that is kept of its duplicates: its own id if it is the one, or has none.
    """

    id: str
    taken_on: date | None
    pixels: int | None
    sharpness: float | None
    keeper: str
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True)
class People:
    """The people that a share is about, as they are now.

    chosen: None stands for a chosen person who is no more.
    named: everyone of the album who has a name.
    """

    chosen: frozenset[str | None]
    excluded: frozenset[str]
    named: frozenset[str]


def matches(photo: Candidate, people: People, filters: ShareFilters) -> bool:
    """Do the filters let this photo through, its duplicates aside?

    What is unknown of a photo passes no limit on it. Exclusion goes before choice.
    """
    seen = {sighting.cluster for sighting in photo.sightings}
    if seen & people.excluded:
        return False
    if filters.only_with and seen & (people.named - people.chosen):
        return False
    least = filters.min_face_pixels or 0.0
    appearing = {s.cluster for s in photo.sightings if s.side >= least} & people.chosen
    if filters.only_appearing and not appearing:
        return False
    if filters.all_of and not people.chosen <= appearing:
        return False
    if filters.min_pixels is not None and (photo.pixels or 0) < filters.min_pixels:
        return False
    if filters.min_sharpness is not None and (
        photo.sharpness is None or photo.sharpness < filters.min_sharpness
    ):
        return False
    if filters.taken_from is None and filters.taken_to is None:
        return True
    if photo.taken_on is None:
        return False
    return (filters.taken_from or date.min) <= photo.taken_on <= (filters.taken_to or date.max)


def select(photos: Iterable[Candidate], people: People, filters: ShareFilters) -> tuple[str, ...]:
    """Ids of the chosen photos in ascending order.

    Without duplicates, the keeper stands for them all if it is chosen itself, and otherwise the
    chosen one of least id: a filter must not lose a moment because its best photo fails.
    """
    chosen = [photo for photo in photos if matches(photo, people, filters)]
    if not filters.no_duplicates:
        return tuple(sorted(photo.id for photo in chosen))
    kept: dict[str, str] = {}
    for photo in chosen:
        current = kept.get(photo.keeper)
        if photo.id == photo.keeper or current is None or photo.id < current != photo.keeper:
            kept[photo.keeper] = photo.id
    return tuple(sorted(kept.values()))
