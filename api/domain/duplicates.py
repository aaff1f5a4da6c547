"""Photos that show the same: found, grouped, and reviewed by people.

Confirmed pairs are rows. Which photo of a group is kept, and which are duplicates of it, follows
from the pairs and from what people chose, by the rule of `faceflow-ml dedupe`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from api.domain import counts
from api.domain.hash_index import HashIndex
from api.domain.ingest_rows import Duplicate, Fresh, Pair
from api.domain.models import Album, Photo, PhotoStatus
from api.errors import Conflict
from api.objects import keys
from api.objects.store import ObjectMissing
from api.repositories.records import Repository
from api.repositories.table import ConditionFailed, Delete, Expect, Put, Write, query_all
from api.services import Services
from api.workflow import pictures
from faceflow_ml.dedup.hashing import grey_thumb
from faceflow_ml.dedup.keeper import assign_keepers, preference
from faceflow_ml.dedup.near import HASH_RADIUS, compare

_Kind = Literal["exact", "near"] | None


@dataclass(frozen=True)
class _Version:
    """A photo as the choice of keepers sees it."""

    path: str
    width: int
    height: int
    size_bytes: int
    faces: int


def link(
    services: Services, album: Album, photo_ids: Sequence[str], progress: Callable[[int, int], None]
) -> None:
    """Find near-duplicates of photos that are new, among themselves and with all the album."""
    photos = {photo.id: photo for photo in _originals(services, album.id, photo_ids)}
    if not photos:
        return
    index = HashIndex(services, album.id)
    index.add({photo.id: photo.phash for photo in photos.values() if photo.phash is not None})
    pairs: set[tuple[str, str]] = set()
    for photo in photos.values():
        if photo.phash is not None:
            near = index.near(photo.phash, HASH_RADIUS)
            pairs.update((min(photo.id, o), max(photo.id, o)) for o in near if o != photo.id)
    confirmed = _confirmed(services, album, sorted(pairs), progress)
    regroup(services, album.id, confirmed)


def regroup(services: Services, album_id: str, photo_ids: Iterable[str]) -> None:
    """Choose keepers anew among the photos that are connected to these; may be repeated."""
    found: dict[str, set[str]] = {}
    waiting = list(photo_ids)
    while waiting:
        photo_id = waiting.pop()
        if photo_id not in found:
            rows = _pairs(services, album_id, photo_id)
            found[photo_id] = {pair.other_id for pair in rows if not pair.rejected}
            waiting.extend(found[photo_id] - found.keys())
    photos = sorted(_originals(services, album_id, sorted(found)), key=_rank)
    place = {photo.id: number for number, photo in enumerate(photos)}
    pairs = [
        (number, place[other])
        for number, photo in enumerate(photos)
        for other in found[photo.id]
        if place.get(other, -1) > number
    ]
    groups = assign_keepers(len(photos), sorted(pairs))
    keeper_of = {worse: keeper for keeper, some in groups.items() for worse in some}
    for number, photo in enumerate(photos):
        keeper = keeper_of.get(number)
        _mark(services, photo, None if keeper is None else photos[keeper].id)


def settle_copy(services: Services, photo: Photo) -> bool:
    """Give an exact copy what was found in the first photo of its bytes.

    False: that is not known yet, or the first has gone and the copy has to be processed itself.
    """
    first_id = photo.duplicate_of
    if first_id is None:
        return True
    first = services.photos.get(Photo.key_of(photo.album_id, first_id))
    if first is not None and first.status is PhotoStatus.PENDING:
        return False
    row = Delete(Duplicate.key_of(photo.album_id, first_id, photo.id))
    pending = Expect(True, {"status": PhotoStatus.PENDING, "duplicateOf": first_id})
    alone: dict[str, object] = {"duplicate_of": None, "duplicate_kind": None}
    writes: list[Write]
    if first is None:
        write, after = services.photos.change(photo, pending, step=None, **alone)
        writes = [write, row]
    elif first.status is not PhotoStatus.DONE:
        failed = alone | {"status": PhotoStatus.FAILED, "error": first.error, "step": None}
        write, after = services.photos.change(photo, pending, **failed)
        writes = [write, row]
    else:
        _copy_thumbnail(services, first, photo)
        write, after = services.photos.change(photo, pending, **_findings(first))
        fresh = Fresh(album_id=photo.album_id, photo_id=photo.id)
        writes = [write, Put(fresh.key(), fresh.to_item())]
    try:
        services.table.transact([*writes, *counts.adjust(photo.album_id, photo, after)])
    except ConditionFailed:
        return False
    return first is not None


def choose_keeper(services: Services, photo: Photo) -> None:
    """This is the photo to keep of its near-duplicates.

    Raises:
        Conflict: it has none, or is an exact copy: the bytes are the same.
    """
    if photo.duplicate_kind == "exact":
        raise Conflict("an exact copy is the same as the photo that is kept")
    others = group_of(services, photo)
    if not others:
        raise Conflict("this photo has no near-duplicates")
    writes = []
    for other in others:
        # Whoever chooses among them says that they are versions of one photo.
        writes += _pair_writes(photo.album_id, photo.id, other.id, rejected=False)
    services.table.write_many(writes)
    for other in others:
        if other.keep:
            _set_keep(services, other, keep=False)
    _set_keep(services, photo, keep=True)
    regroup(services, photo.album_id, [photo.id])


def separate(services: Services, photo: Photo) -> None:
    """This photo is no duplicate of those that it is grouped with.

    Raises:
        Conflict: it is in no group, or an exact copy.
    """
    if photo.duplicate_kind == "exact":
        raise Conflict("an exact copy has the same bytes")
    others = group_of(services, photo)
    if not others:
        raise Conflict("this photo has no near-duplicates")
    writes = []
    for other in others:
        writes += _pair_writes(photo.album_id, photo.id, other.id, rejected=True)
    services.table.write_many(writes)
    regroup(services, photo.album_id, [photo.id, *(other.id for other in others)])


def group_of(services: Services, photo: Photo) -> list[Photo]:
    """The other photos of a photo's group of near-duplicates, its keeper among them."""
    keeper = photo.duplicate_of if photo.duplicate_kind == "near" else photo.id
    rows = duplicates_of(services, photo.album_id, keeper or photo.id)
    members = {row.photo_id for row in rows if row.kind == "near"} | {keeper or photo.id}
    return list(_originals(services, photo.album_id, sorted(members - {photo.id})))


def duplicates_of(services: Services, album_id: str, keeper: str) -> list[Duplicate]:
    """The photos that this one is kept in place of."""
    prefix = f"{Duplicate.prefix}{keeper}#"
    items = query_all(services.table, f"ALBUM#{album_id}", prefix)
    return list(map(Duplicate.from_item, items))


def forget_pairs(services: Services, album_id: str, photo_id: str) -> list[str]:
    """Remove the pairs of a photo; the ids of the photos that it was a pair with."""
    others = [pair.other_id for pair in _pairs(services, album_id, photo_id)]
    writes = []
    for other in others:
        writes.append(Delete(Pair.key_of(album_id, other, photo_id)))
    # Its own last: they tell, after a crash, which others there are.
    services.table.write_many(writes)
    services.table.write_many([Delete(Pair.key_of(album_id, photo_id, other)) for other in others])
    return others


def _originals(services: Services, album_id: str, photo_ids: Sequence[str]) -> Iterable[Photo]:
    """Photos that are done and no exact copies."""
    found = services.photos.get_many([Photo.key_of(album_id, photo_id) for photo_id in photo_ids])
    return (
        photo
        for photo in found
        if photo is not None
        and photo.status is PhotoStatus.DONE
        and photo.duplicate_kind != "exact"
    )


def _rank(photo: Photo) -> tuple[bool, tuple[int, int, int, str]]:
    version = _Version(
        path=photo.id,
        width=photo.width or 0,
        height=photo.height or 0,
        size_bytes=photo.size,
        faces=len(photo.faces),
    )
    return not photo.keep, preference(version)


def _confirmed(
    services: Services,
    album: Album,
    pairs: Sequence[tuple[str, str]],
    progress: Callable[[int, int], None],
) -> list[str]:
    """Ids of photos in pairs that are duplicates; new ones are compared and kept as rows."""
    table = Repository(services.table, Pair)
    known = table.get_many([Pair.key_of(album.id, *pair) for pair in pairs])
    ids = sorted({photo_id for pair in pairs for photo_id in pair})
    photos = {photo.id: photo for photo in _originals(services, album.id, ids)}

    @lru_cache(maxsize=256)
    def grey(photo_id: str) -> NDArray[np.uint8] | None:
        key = keys.thumbnail(album.user_id, album.id, photo_id)
        try:
            pixels = pictures.decode(services.objects.get(key))
        except ObjectMissing:
            return None
        return None if pixels is None else grey_thumb(pixels)

    confirmed: set[str] = set()
    for done, (pair, row) in enumerate(zip(pairs, known, strict=True)):
        progress(done, len(pairs))
        if row is not None:
            confirmed.update(pair)
            continue
        two = [photos[photo_id] for photo_id in pair if photo_id in photos]
        if len(two) == 2:
            better, worse = (grey(photo.id) for photo in sorted(two, key=_rank))
            if better is None or worse is None or not compare(better, worse).is_duplicate:
                continue
            services.table.write_many(_pair_writes(album.id, *pair, rejected=False))
            confirmed.update(pair)
    progress(len(pairs), len(pairs))
    return sorted(confirmed)


def _pairs(services: Services, album_id: str, photo_id: str) -> list[Pair]:
    items = query_all(services.table, f"ALBUM#{album_id}", f"{Pair.prefix}{photo_id}#")
    return list(map(Pair.from_item, items))


def _pair_writes(album_id: str, first: str, second: str, *, rejected: bool) -> list[Put]:
    rows = [
        Pair(album_id=album_id, photo_id=a, other_id=b, rejected=rejected)
        for a, b in ((first, second), (second, first))
    ]
    return [Put(row.key(), row.to_item()) for row in rows]


def _mark(services: Services, photo: Photo, keeper: str | None) -> None:
    """Say of a photo which one is kept in its place, if any."""
    if photo.duplicate_of == keeper:
        return
    kind: _Kind = None if keeper is None else "near"
    expect = Expect(True, {"status": PhotoStatus.DONE, "duplicateOf": photo.duplicate_of})
    write, after = services.photos.change(photo, expect, duplicate_of=keeper, duplicate_kind=kind)
    writes: list[Write] = [write]
    if photo.duplicate_of is not None:
        writes.append(Delete(Duplicate.key_of(photo.album_id, photo.duplicate_of, photo.id)))
    if keeper is not None:
        row = Duplicate(album_id=photo.album_id, keeper=keeper, photo_id=photo.id, kind="near")
        writes.append(Put(row.key(), row.to_item()))
    try:
        services.table.transact([*writes, *counts.adjust(photo.album_id, photo, after)])
    except ConditionFailed:
        return  # it was deleted meanwhile


def _set_keep(services: Services, photo: Photo, *, keep: bool) -> None:
    try:
        services.photos.update(photo, Expect(True), keep=keep)
    except ConditionFailed:
        return


def _findings(first: Photo) -> dict[str, object]:
    return {
        "status": PhotoStatus.DONE,
        "step": first.step,
        "width": first.width,
        "height": first.height,
        "exif": first.exif,
        "blur": first.blur,
        "sharpness": first.sharpness,
        "phash": first.phash,
        "faces": first.faces,
        "attempts": 0,
        "error": None,
    }


def _copy_thumbnail(services: Services, first: Photo, photo: Photo) -> None:
    source = keys.thumbnail(first.user_id, first.album_id, first.id)
    target = keys.thumbnail(photo.user_id, photo.album_id, photo.id)
    try:
        services.objects.put(target, services.objects.get(source), "image/jpeg")
    except ObjectMissing:
        return
