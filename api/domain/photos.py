"""Photos of an album as lists, with the faces that are in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from api.domain import counts
from api.domain.edits import code_of
from api.domain.gallery import list_photos
from api.domain.ingest_rows import Duplicate
from api.domain.ledger import people_of
from api.domain.models import Album, FaceBox, Photo, PhotoStatus
from api.domain.rows import shown_confidence
from api.domain.state import People
from api.errors import Conflict
from api.repositories.records import Repository
from api.repositories.table import ConditionFailed, Expect, Index
from api.services import Services

Order = Literal["oldest", "newest"]
Duplicates = Literal["all", "hide", "only"]

_MAX_PAGES = 20


@dataclass(frozen=True)
class PhotoFilter:
    """Which photos of an album.

    cluster: with this person. status: of this state; None: of any that is visible.
    duplicates: also those that another is kept in place of, not those, or only those.
    """

    cluster: str | None = None
    status: PhotoStatus | None = None
    duplicates: Duplicates = "all"

    def matches(self, photo: Photo) -> bool:
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
    *,
    limit: int,
    cursor: str | None,
    order: Order = "oldest",
) -> tuple[list[PhotoWithFaces], str | None]:
    """Part of an album's photos in the order in which they were uploaded, and a cursor.

    A person's photos and duplicates come oldest first, whatever the order.

    Raises:
        BadCursor: of another list.
        NotFound: there is no such person.
    """
    found: list[Photo] = []
    # A filter may leave little of a page: some more are read, and then what there is is given.
    for _ in range(_MAX_PAGES):
        some, cursor = _candidates(services, album, chosen, limit - len(found), cursor, order)
        found += [photo for photo in some if chosen.matches(photo)]
        if cursor is None or len(found) >= limit:
            break
    return with_faces(services, album, found), cursor


def with_faces(services: Services, album: Album, photos: Sequence[Photo]) -> list[PhotoWithFaces]:
    """Photos with who is in them."""
    people = people_of(services, album)
    numbers = iter(people.table.number.find([face.id for photo in photos for face in photo.faces]))
    return [
        PhotoWithFaces(photo, tuple(_who(people, face, int(next(numbers))) for face in photo.faces))
        for photo in photos
    ]


def _who(people: People, face: FaceBox, number: int) -> PhotoFace:
    """``number``: of the face; negative for one that the people do not know."""
    person = None if number < 0 else people.person_of(number)
    if person is None:
        return PhotoFace(face, None, None)
    return PhotoFace(face, person.id, shown_confidence(people, number))


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
    limit: int,
    cursor: str | None,
    order: Order,
) -> tuple[list[Photo], str | None]:
    if chosen.cluster is not None:
        people = people_of(services, album)
        code = code_of(people, chosen.cluster)
        ids, after = list_photos(people, code, limit=limit, cursor=cursor)
        return _photos(services, album.id, ids), after
    if chosen.duplicates == "only":
        rows = Repository(services.table, Duplicate).page(
            f"ALBUM#{album.id}", limit=limit, cursor=cursor
        )
        return _photos(services, album.id, [row.photo_id for row in rows.records]), rows.cursor
    descending = order == "newest"
    if chosen.status is not None:
        partition = f"ALBUM#{album.id}#PHOTO#{chosen.status}"
        found = services.photos.index_page(
            Index.GSI1, partition, limit=limit, cursor=cursor, descending=descending
        )
    else:
        found = services.photos.page(
            f"ALBUM#{album.id}", limit=limit, cursor=cursor, descending=descending
        )
    return list(found.records), found.cursor


def _photos(services: Services, album_id: str, photo_ids: Sequence[str]) -> list[Photo]:
    found = services.photos.get_many([Photo.key_of(album_id, photo_id) for photo_id in photo_ids])
    return [photo for photo in found if photo is not None]
