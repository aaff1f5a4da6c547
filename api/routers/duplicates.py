"""Review of duplicates: which photo is kept, and which are none."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api import events
from api.deps import AlbumDep, ServicesDep
from api.domain import duplicates, photos, uploads
from api.domain.ingest_rows import Duplicate
from api.domain.models import Album, Photo
from api.errors import NotFound
from api.ids import ULID_PATTERN
from api.repositories.records import Repository
from api.routers.schemas.base import Schema
from api.routers.schemas.photos import PhotoView, photo_view

router = APIRouter(tags=["duplicates"])

PhotoPath = Annotated[str, Path(pattern=ULID_PATTERN)]


class DuplicateGroup(Schema):
    """Photos that show the same: the one that is kept, and the others."""

    keep: PhotoView
    drop: tuple[PhotoView, ...]


class DuplicateGroups(Schema):
    """Part of a list of groups. A group that the end of a page cuts goes on with the next."""

    groups: tuple[DuplicateGroup, ...]
    cursor: str | None


def _photo(services: ServicesDep, album: Album, photo_id: str) -> Photo:
    photo = services.photos.get(Photo.key_of(album.id, photo_id))
    if photo is None:
        raise NotFound("there is no such photo")
    return photo


def _changed(services: ServicesDep, album: Album, photo: Photo) -> PhotoView:
    uploads.touch(services, album.user_id, album.id)
    events.publish(album.id, events.Event("photos", {"changed": [photo.id]}))
    (entry,) = photos.with_faces(services, album, [_photo(services, album, photo.id)])
    return photo_view(services, entry)


@router.get("/albums/{id}/duplicates", operation_id="listDuplicates")
def list_duplicates(
    services: ServicesDep,
    album: AlbumDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> DuplicateGroups:
    """Groups of duplicates, exact and near; ``limit`` counts the photos that are not kept."""
    page = Repository(services.table, Duplicate).page(
        f"ALBUM#{album.id}", limit=limit, cursor=cursor
    )
    rows = page.records
    wanted = sorted({row.keeper for row in rows} | {row.photo_id for row in rows})
    found = services.photos.get_many([Photo.key_of(album.id, photo_id) for photo_id in wanted])
    entries = photos.with_faces(services, album, [p for p in found if p is not None])
    views = {entry.photo.id: photo_view(services, entry) for entry in entries}
    groups = []
    for keeper, members in groupby(rows, key=lambda row: row.keeper):
        drop = tuple(views[row.photo_id] for row in members if row.photo_id in views)
        if keeper in views and drop:
            groups.append(DuplicateGroup(keep=views[keeper], drop=drop))
    return DuplicateGroups(groups=tuple(groups), cursor=page.cursor)


@router.post("/albums/{id}/duplicates/{pid}/keep", operation_id="keepDuplicate")
def keep_duplicate(services: ServicesDep, album: AlbumDep, pid: PhotoPath) -> PhotoView:
    """Keep this one of its group of near-duplicates."""
    photo = _photo(services, album, pid)
    duplicates.choose_keeper(services, photo)
    return _changed(services, album, photo)


@router.post("/albums/{id}/duplicates/{pid}/separate", operation_id="separateDuplicate")
def separate_duplicate(services: ServicesDep, album: AlbumDep, pid: PhotoPath) -> PhotoView:
    """This photo is no duplicate of the others of its group."""
    photo = _photo(services, album, pid)
    duplicates.separate(services, photo)
    return _changed(services, album, photo)
