"""How many of what an album has, kept up to date by every write that changes it.

A photo's change of state and the change of the numbers are one transaction, so that they agree
after a crash at any moment; `recount` makes them anew from the rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.domain.models import Photo, PhotoStatus, Record
from api.repositories.records import Repository
from api.repositories.table import Key, Put, Update
from api.services import Services


class AlbumCounts(Record):
    """The numbers of an album."""

    prefix = "COUNTS"

    album_id: str
    pending: int = 0
    """Photos that wait for ingestion."""
    done: int = 0
    failed: int = 0
    duplicates: int = 0
    """Photos with another that is kept in their place, exact or near."""
    faces: int = 0
    clusters: int = 0
    """People that are shown."""
    unassigned: int = 0
    """Faces of nobody."""

    @property
    def photos(self) -> int:
        """Photos that are visible."""
        return self.pending + self.done + self.failed

    def key(self) -> Key:
        return self.key_of(self.album_id)

    @staticmethod
    def key_of(album_id: str) -> Key:
        """Key of an album's numbers."""
        return Key(f"ALBUM#{album_id}", "COUNTS")


_STATUS_NAMES = {
    PhotoStatus.PENDING: "pending",
    PhotoStatus.DONE: "done",
    PhotoStatus.FAILED: "failed",
}


def contribution(photo: Photo | None) -> dict[str, int]:
    """What one photo adds to the numbers, faces aside."""
    if photo is None or photo.status is PhotoStatus.UPLOADING:
        return {}
    numbers = {_STATUS_NAMES[photo.status]: 1}
    if photo.duplicate_of is not None:
        numbers["duplicates"] = 1
    return numbers


def adjust(
    album_id: str, before: Photo | None, after: Photo | None, faces: int = 0
) -> list[Update]:
    """The write that goes with a photo's change from ``before`` to ``after``; none if there is
    nothing to change.

    faces: faces that are written (or, negative, removed) with it.
    """
    old, new = contribution(before), contribution(after)
    add = {name: new.get(name, 0) - old.get(name, 0) for name in old.keys() | new.keys()}
    add["faces"] = faces
    return increase(album_id, add)


def increase(album_id: str, add: Mapping[str, int]) -> list[Update]:
    """The write that adds to an album's numbers; none if there is nothing to add."""
    wanted = {name: number for name, number in add.items() if number}
    if not wanted:
        return []
    return [Update(AlbumCounts.key_of(album_id), {"albumId": album_id}, wanted)]


def read(services: Services, album_id: str) -> AlbumCounts:
    """The numbers of an album."""
    found = Repository(services.table, AlbumCounts).get(AlbumCounts.key_of(album_id))
    return found or AlbumCounts(album_id=album_id)


def set_people(services: Services, album_id: str, *, clusters: int, unassigned: int) -> None:
    """What grouping found; to be written whenever the clusters of an album are."""
    changes = {"albumId": album_id, "clusters": clusters, "unassigned": unassigned}
    services.table.write(Update(AlbumCounts.key_of(album_id), changes))


def recount(services: Services, album_id: str) -> AlbumCounts:
    """Make the numbers anew from the rows, while nothing else writes to the album."""
    pk = f"ALBUM#{album_id}"
    numbers: dict[str, int] = {}
    for photo in services.photos.all(pk):
        for name, number in contribution(photo).items():
            numbers[name] = numbers.get(name, 0) + number
    faces = sum(1 for _ in services.faces.all(pk))
    clusters = list(services.clusters.all(pk))
    counts = AlbumCounts(
        album_id=album_id,
        faces=faces,
        unassigned=faces - sum(cluster.size for cluster in clusters),
        clusters=sum(not cluster.hidden for cluster in clusters),
        **numbers,
    )
    services.table.write(Put(counts.key(), counts.to_item()))
    return counts
