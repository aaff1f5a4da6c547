"""The photos that a share holds now.

A live share is its filters, applied to the album as it is. Any other keeps the photos of its
making, less those that were deleted since.

A share follows its people. A cluster that was merged into another is followed into that one, and
back out if the merge is undone; one that was split keeps its id with the faces that stay, and those
that leave it leave live shares, too. A new group that came of a split belongs to no share until its
owner says so: people must not get more than was chosen for them. A chosen cluster that is nobody
any more shows nothing.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import islice
from threading import Lock

import numpy as np

from api.domain.ingest_rows import Duplicate
from api.domain.ledger import people_of
from api.domain.models import Album, Photo, PhotoStatus
from api.domain.rows import best_first
from api.domain.share_models import Share, ShareFilters
from api.domain.state import People as AlbumPeople
from api.domain.state import Person
from api.objects import keys
from api.objects.store import ObjectMissing
from api.repositories.records import Repository
from api.services import Services
from api.sharing.selection import Candidate, People, Sighting, select

_BATCH = 500
"""Photos whose rows are read at once."""
_CACHED = 64
_CACHED_IDS = 400_000
"""Photo ids in the cache, in all: some 50 MB."""


@dataclass(frozen=True)
class ShownPerson:
    """A person that a share is about, as its recipient sees them.

    id: of the cluster.
    cover: the best of their faces in photos of the share; None: they are in none of them.
    """

    id: str
    label: str | None
    cover: str | None


@dataclass(frozen=True)
class Contents:
    """Photo ids in ascending order: by time of upload; and the people, each once."""

    photo_ids: tuple[str, ...]
    people: tuple[ShownPerson, ...] = ()

    @cached_property
    def members(self) -> frozenset[str]:
        """The same without an order."""
        return frozenset(self.photo_ids)


class _Cache:
    """The contents that were asked for last; each is right as long as its album is unchanged."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[object, ...], Contents] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> Contents | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: tuple[object, ...], contents: Contents) -> None:
        with self._lock:
            self._kept[key] = contents
            held = sum(len(one.photo_ids) for one in self._kept.values())
            while len(self._kept) > 1 and (len(self._kept) > _CACHED or held > _CACHED_IDS):
                _, oldest = self._kept.popitem(last=False)
                held -= len(oldest.photo_ids)


_cache = _Cache()
_turns = tuple(Lock() for _ in range(64))
"""A page asks for many thumbnails at once: one of the requests computes, the others wait for it."""


def contents_of(services: Services, album: Album, share: Share) -> Contents:
    """The photos of a share. ``album`` as it is now: its version tells whether anything changed."""
    people = people_of(services, album)
    key = (share.id, share.live, share.clusters, share.filters, album.version, people.head)
    found = _cache.get(key)
    if found is not None:
        return found
    with _turns[hash(share.id) % len(_turns)]:
        found = _cache.get(key)
        if found is None:
            found = _computed(services, album, people, share)
            _cache.keep(key, found)
        return found


def _computed(services: Services, album: Album, people: AlbumPeople, share: Share) -> Contents:
    if share.live:
        held = choose(services, album, people, share.clusters, share.filters)
    else:
        # They were processed when the share was made, and stay so until they are removed.
        kept = {one: Photo.key_of(album.id, one) for one in kept_photos(services, share)}
        there = services.table.existing(list(kept.values()))
        held = tuple(photo_id for photo_id, key in kept.items() if key in there)
    return Contents(held, _people_in(people, share.clusters, held))


def _people_in(
    people: AlbumPeople, clusters: Iterable[str], photo_ids: tuple[str, ...]
) -> tuple[ShownPerson, ...]:
    """Nobody without photos: what the filters leave out, a face must not show."""
    if not photo_ids:
        return ()
    # At the end: a photo that the log does not know.
    held = np.zeros(len(people.table.photo_ids) + 1, dtype=np.bool_)
    held[people.table.photo_number.find(photo_ids)] = True
    held[-1] = False
    found = []
    for person in dict.fromkeys(p for p in current_people(people, clusters) if p is not None):
        faces = people.members(people.code[person.id])
        seen = best_first(people, faces[held[people.table.photo[faces]]])
        cover = people.table.face_id(int(seen[0])) if len(seen) else None
        found.append(ShownPerson(person.id, person.label, cover))
    return tuple(found)


def photos_of(services: Services, album: Album, share: Share) -> tuple[str, ...]:
    """What the share's people and filters choose now, live or not."""
    return choose(services, album, people_of(services, album), share.clusters, share.filters)


def keep_photos(services: Services, share: Share, photo_ids: Iterable[str]) -> None:
    """Write down the photos of a share that is not live."""
    key = keys.share_contents(share.user_id, share.album_id, share.id)
    services.objects.put(key, json.dumps(list(photo_ids)).encode(), "application/json")


def kept_photos(services: Services, share: Share) -> list[str]:
    """What `keep_photos` wrote down; nothing once the share was revoked."""
    key = keys.share_contents(share.user_id, share.album_id, share.id)
    try:
        data = services.objects.get(key)
    except ObjectMissing:
        return []
    return [str(photo_id) for photo_id in json.loads(data)]


def shown_photos(services: Services, album_id: str, photo_ids: Iterable[str]) -> Iterator[Photo]:
    """Those of the photos that are there and processed, in the order given."""
    wanted = (Photo.key_of(album_id, photo_id) for photo_id in photo_ids)
    while batch := list(islice(wanted, _BATCH)):
        for photo in services.photos.get_many(batch):
            if photo is not None and photo.status is PhotoStatus.DONE:
                yield photo


def current_people(people: AlbumPeople, clusters: Iterable[str]) -> list[Person | None]:
    """Who the clusters of a share are now; None for one who is nobody any more."""
    found: list[Person | None] = []
    for cluster in clusters:
        mode = people.find_mode(cluster)
        code = None if mode is None else people.resolve(mode)
        alive = code is not None and people.sizes[code] > 0
        found.append(people.persons[code] if code is not None and alive else None)
    return found


def choose(
    services: Services,
    album: Album,
    people: AlbumPeople,
    clusters: Iterable[str],
    filters: ShareFilters,
) -> tuple[str, ...]:
    """Ids of the photos that filters choose of an album, ascending."""
    chosen = [None if p is None else p.id for p in current_people(people, clusters)]
    excluded = [p.id for p in current_people(people, filters.exclude_clusters) if p is not None]
    who = People(
        chosen=frozenset(chosen),
        excluded=frozenset(excluded),
        named=frozenset(p.id for p in people.persons if p.label is not None),
    )
    duplicates = {
        row.photo_id: row for row in Repository(services.table, Duplicate).all(f"ALBUM#{album.id}")
    }
    if filters.only_appearing:
        ids = _appearing(people, (cluster for cluster in chosen if cluster is not None))
        photos = shown_photos(services, album.id, _with_copies(ids, duplicates.values()))
    else:
        rows = services.photos.all(f"ALBUM#{album.id}")
        photos = (photo for photo in rows if photo.status is PhotoStatus.DONE)
    return select(_candidates(photos, duplicates, people), who, filters)


def _appearing(people: AlbumPeople, clusters: Iterable[str]) -> set[str]:
    codes = [people.code[cluster] for cluster in clusters]
    faces = np.flatnonzero(np.isin(people.cluster, codes))
    numbers = np.unique(people.table.photo[faces])
    return {photo_id.decode() for photo_id in people.table.photo_ids[numbers].tolist()}


def _with_copies(photo_ids: set[str], duplicates: Iterable[Duplicate]) -> list[str]:
    """The photos and their exact copies, which have no faces of their own."""
    copies = {d.photo_id for d in duplicates if d.kind == "exact" and d.keeper in photo_ids}
    return sorted(photo_ids | copies)


def _candidates(
    photos: Iterable[Photo], duplicates: Mapping[str, Duplicate], people: AlbumPeople
) -> Iterator[Candidate]:
    # What an exact copy is a copy of has the faces and the measurements.
    sources = {photo_id: row.keeper for photo_id, row in duplicates.items() if row.kind == "exact"}
    originals: dict[str, Candidate] = {}
    copies: list[Photo] = []
    wanted = set(sources.values())
    for photo in photos:
        if photo.id in sources:
            copies.append(photo)
            continue
        candidate = _candidate(photo, duplicates, people)
        if photo.id in wanted:
            originals[photo.id] = candidate
        yield candidate
    for photo in copies:
        source = originals.get(sources[photo.id]) or _candidate(photo, duplicates, people)
        yield replace(source, id=photo.id, keeper=_keeper(photo.id, duplicates))


def _candidate(photo: Photo, duplicates: Mapping[str, Duplicate], people: AlbumPeople) -> Candidate:
    return Candidate(
        id=photo.id,
        taken_on=_taken_on(photo),
        pixels=photo.width * photo.height if photo.width and photo.height else None,
        sharpness=photo.sharpness,
        keeper=_keeper(photo.id, duplicates),
        sightings=_sightings(photo, people),
    )


def _keeper(photo_id: str, duplicates: Mapping[str, Duplicate]) -> str:
    # An exact copy may be of a photo that is itself a near-duplicate of another.
    seen = {photo_id}
    while (row := duplicates.get(photo_id)) is not None and row.keeper not in seen:
        photo_id = row.keeper
        seen.add(photo_id)
    return photo_id


def _sightings(photo: Photo, people: AlbumPeople) -> tuple[Sighting, ...]:
    found = []
    numbers = people.table.number.find([face.id for face in photo.faces])
    for face, number in zip(photo.faces, numbers.tolist(), strict=True):
        person = None if number < 0 else people.person_of(number)
        if person is not None:
            left, top, right, bottom = face.box
            found.append(Sighting(person.id, min(right - left, bottom - top)))
    return tuple(found)


def _taken_on(photo: Photo) -> date | None:
    if photo.exif is None or photo.exif.taken_at is None:
        return None
    try:
        return date.fromisoformat(photo.exif.taken_at[:10])
    except ValueError:
        return None
