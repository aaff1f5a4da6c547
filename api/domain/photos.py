"""Photos of an album as lists, with the faces that are in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np

from api.domain import counts
from api.domain.edits import code_of
from api.domain.gallery import list_photos
from api.domain.ingest_rows import Duplicate
from api.domain.ledger import people_of
from api.domain.models import Album, FaceBox, Photo, PhotoStatus
from api.domain.rows import rounded_confidence
from api.domain.runs import NOBODY
from api.errors import Conflict
from api.repositories.records import Reader, Repository
from api.repositories.table import ConditionFailed, Expect, Index
from api.services import Services

Order = Literal["oldest", "newest"]
Duplicates = Literal["all", "hide", "only"]

_MAX_PAGES = 20


class Listed(Protocol):
    """What is asked of a photo to choose it for a list."""

    @property
    def status(self) -> PhotoStatus: ...

    @property
    def duplicate_of(self) -> str | None: ...


L = TypeVar("L", bound=Listed)
Who = tuple[str | None, float | None]
"""The cluster that a face is shown with and how sure that is; None: it is nobody (yet)."""


@dataclass(frozen=True)
class PhotoFilter:
    """Which photos of an album.

    cluster: with this person. status: of this state; None: of any that is visible.
    duplicates: also those that another is kept in place of, not those, or only those.
    """

    cluster: str | None = None
    status: PhotoStatus | None = None
    duplicates: Duplicates = "all"

    def matches(self, photo: Listed) -> bool:
        """Is it one of them, whatever people are in it?"""
        if photo.status is PhotoStatus.UPLOADING:
            return False
        if self.status is not None and photo.status is not self.status:
            return False
        return self.duplicates == "all" or (self.duplicates == "only") == (
            photo.duplicate_of is not None
        )


@dataclass(frozen=True)
class PhotoFace:
    """A face of a photo, and who it is; ``cluster`` None: nobody (yet)."""

    face: FaceBox
    cluster: str | None
    confidence: float | None


@dataclass(frozen=True)
class PhotoWithFaces:
    """A photo and its faces, in the order of the photo's own list."""

    photo: Photo
    faces: tuple[PhotoFace, ...]


def page(
    services: Services,
    album: Album,
    chosen: PhotoFilter,
    photos: Reader[L],
    *,
    limit: int,
    cursor: str | None,
    order: Order = "oldest",
) -> tuple[list[L], str | None]:
    """Part of an album's photos in the order in which they were uploaded, and a cursor.

    A person's photos and duplicates come oldest first, whatever the order.

    Args:
        photos: reads them, as whatever is wanted of them.

    Raises:
        BadCursor: of another list.
        NotFound: there is no such person.
    """
    found: list[L] = []
    # A filter may leave little of a page: some more are read, and then what there is is given.
    for _ in range(_MAX_PAGES):
        some, cursor = _candidates(
            services, album, chosen, photos, limit - len(found), cursor, order
        )
        found += [photo for photo in some if chosen.matches(photo)]
        if cursor is None or len(found) >= limit:
            break
    return found, cursor


def who_are(services: Services, album: Album, faces: Sequence[str]) -> list[Who]:
    """Who the faces of these ids are, in their order."""
    people = people_of(services, album)
    if not faces or not len(people.table):
        return [(None, None)] * len(faces)
    numbers = people.table.number.find(faces)
    # Also of faces that the people do not know, which have -1: nobody's code takes their place.
    codes = np.where(numbers < 0, NOBODY, people.cluster[numbers]).tolist()
    confidence = people.confidence[numbers].tolist()
    persons = people.persons
    return [
        (None, None) if code < 0 else (persons[code].id, rounded_confidence(sure))
        for code, sure in zip(codes, confidence, strict=True)
    ]


def with_faces(services: Services, album: Album, photos: Sequence[Photo]) -> list[PhotoWithFaces]:
    """Photos with who is in them."""
    who = iter(who_are(services, album, [face.id for photo in photos for face in photo.faces]))
    return [
        PhotoWithFaces(photo, tuple(PhotoFace(face, *next(who)) for face in photo.faces))
        for photo in photos
    ]


def find(services: Services, user_id: str, photo_id: str) -> Photo | None:
    """A visible photo of a user by its id alone."""
    some = services.photos.index_page(
        Index.GSI2, f"USER#{user_id}#PHOTO", photo_id, limit=1
    ).records
    if not some or some[0].status is PhotoStatus.UPLOADING:
        return None
    # Indexes may lag behind; the row itself does not.
    return services.photos.get(some[0].key())


def retry(services: Services, photo: Photo) -> Photo:
    """Put a failed photo back to those that wait.

    Raises:
        Conflict: it has not failed.
    """
    expect = Expect(True, {"status": PhotoStatus.FAILED})
    write, waiting = services.photos.change(
        photo, expect, status=PhotoStatus.PENDING, error=None, attempts=0, step=None
    )
    try:
        services.table.transact([write, *counts.adjust(photo.album_id, photo, waiting)])
    except ConditionFailed as error:
        raise Conflict("only a photo that failed can be tried again") from error
    return waiting


def retry_all(services: Services, album_id: str) -> int:
    """Put every failed photo of an album back; returns how many."""
    partition = f"ALBUM#{album_id}#PHOTO#{PhotoStatus.FAILED}"
    retried = 0
    for photo in list(services.photos.index_all(Index.GSI1, partition)):
        try:
            retry(services, photo)
        except Conflict:
            continue
        retried += 1
    return retried


def _candidates(
    services: Services,
    album: Album,
    chosen: PhotoFilter,
    photos: Reader[L],
    limit: int,
    cursor: str | None,
    order: Order,
) -> tuple[list[L], str | None]:
    if chosen.cluster is not None:
        people = people_of(services, album)
        code = code_of(people, chosen.cluster)
        ids, after = list_photos(people, code, limit=limit, cursor=cursor)
        return _existing(photos, album.id, ids), after
    if chosen.duplicates == "only":
        rows = Repository(services.table, Duplicate).page(
            f"ALBUM#{album.id}", limit=limit, cursor=cursor
        )
        copies = [row.photo_id for row in rows.records]
        return _existing(photos, album.id, copies), rows.cursor
    descending = order == "newest"
    if chosen.status is not None:
        partition = f"ALBUM#{album.id}#PHOTO#{chosen.status}"
        found = photos.index_page(
            Index.GSI1, partition, limit=limit, cursor=cursor, descending=descending
        )
    else:
        found = photos.page(f"ALBUM#{album.id}", limit=limit, cursor=cursor, descending=descending)
    return list(found.records), found.cursor


def _existing(photos: Reader[L], album_id: str, photo_ids: Sequence[str]) -> list[L]:
    found = photos.get_many([Photo.key_of(album_id, photo_id) for photo_id in photo_ids])
    return [photo for photo in found if photo is not None]
