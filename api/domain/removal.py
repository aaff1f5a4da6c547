"""Deleting a photo: at once from sight, then everything that was made of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from api.domain import counts, duplicates, quota
from api.domain.edits import forget
from api.domain.hash_index import HashIndex
from api.domain.ingest_rows import Content, Detection, Duplicate, Fresh, Removed
from api.domain.models import Album, Face, JobKind, Photo, PhotoStatus
from api.errors import NotFound
from api.objects import keys
from api.objects.store import ObjectMissing
from api.repositories.records import Repository
from api.repositories.table import ConditionFailed, Delete, Expect, Put, Write
from api.services import Services
from api.sharing.media import forget_photo
from api.workflow.workflow import Workflow

_log = logging.getLogger(__name__)


def delete_photo(services: Services, workflow: Workflow, album: Album, photo: Photo) -> None:
    """Take a photo away, with its faces; the first of its exact copies takes its place.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    removed = Removed(album_id=photo.album_id, photo=photo)
    expect = Expect(True, {"status": photo.status, "step": photo.step})
    faces = len(photo.faces) if _has_faces(photo) else 0
    writes: list[Write] = [
        Delete(photo.key(), expect),
        Put(removed.key(), removed.to_item()),
        *counts.adjust(photo.album_id, photo, None, -faces),
        *quota.release(photo.user_id, photo.album_id, photo.size),
    ]
    try:
        services.table.transact(writes)
    except ConditionFailed as error:
        current = services.photos.get(photo.key())
        if current is None:
            raise NotFound("there is no such photo") from error
        delete_photo(services, workflow, album, current)
        return
    try:
        if not _clear(services, album, removed):
            services.table.write(Delete(removed.key()))
            return
    except Exception:  # noqa: BLE001 - the photo is gone; the job clears up after it
        _log.exception("what a photo left is cleared away later", extra={"photo": photo.id})
    workflow.start(JobKind.INGEST, album.user_id, album.id)


def clear_all(services: Services, album: Album) -> list[Removed]:
    """Clear away what deleted photos have left. The rows that tell of them are for `done`, when
    the people are up to date."""
    found = list(Repository(services.table, Removed).all(f"ALBUM#{album.id}"))
    for removed in found:
        _clear(services, album, removed)
    return found


def done(services: Services, removed: Sequence[Removed]) -> None:
    """Nothing is left of these photos."""
    Repository(services.table, Removed).delete(row.key() for row in removed)


def _has_faces(photo: Photo) -> bool:
    """Are the faces its own, and not those of a photo that it is an exact copy of?"""
    return photo.status is PhotoStatus.DONE and photo.duplicate_kind != "exact"


def _clear(services: Services, album: Album, removed: Removed) -> bool:
    """Remove what was made of a photo; may be repeated. True: the people have to be refreshed."""
    photo = removed.photo
    faces = [
        face
        for face in services.faces.get_many([Face.key_of(album.id, f.id) for f in photo.faces])
        if face is not None and face.photo_id == photo.id
    ]
    forget(services, album, [face.id for face in faces])
    rows = duplicates.duplicates_of(services, album.id, photo.id)
    copies = [row.photo_id for row in rows if row.kind == "exact"]
    heirs = services.photos.get_many([Photo.key_of(album.id, photo_id) for photo_id in copies])
    heir = next((h for h in heirs if h is not None and h.status is PhotoStatus.DONE), None)
    if heir is not None:
        _inherit(services, photo, heir, faces)
        others = [h for h in heirs if h is not None and h.id != heir.id]
        _point_to(services, photo, heir, others)
    else:
        services.objects.delete(keys.crop(photo.user_id, album.id, face.id) for face in faces)
        services.table.write_many([Delete(face.key()) for face in faces])
        _forget_content(services, photo)
    neighbours = duplicates.forget_pairs(services, album.id, photo.id)
    if heir is not None:
        duplicates.link(services, album, [heir.id], lambda _done, _total: None)
    duplicates.regroup(services, album.id, neighbours)
    _remove_own(services, photo)
    return heir is not None


def _inherit(services: Services, photo: Photo, heir: Photo, faces: Sequence[Face]) -> None:
    """The exact copy ``heir`` gets the faces, as faces that are new to the people."""
    try:
        data = services.objects.get(keys.vectors(photo.user_id, photo.album_id, photo.id))
        key = keys.vectors(heir.user_id, heir.album_id, heir.id)
        services.objects.put(key, data, "application/x-npy")
    except ObjectMissing:
        pass  # a photo without faces has no vectors
    if heir.phash is not None:
        HashIndex(services, heir.album_id).add({heir.id: heir.phash})
    content = Content(album_id=heir.album_id, sha256=heir.sha256 or "", photo_id=heir.id)
    expect = Expect(True, {"duplicateOf": photo.id})
    write, after = services.photos.change(heir, expect, duplicate_of=None, duplicate_kind=None)
    writes: list[Write] = [
        write,
        *counts.adjust(heir.album_id, heir, after, len(faces)),
        Delete(Duplicate.key_of(heir.album_id, photo.id, heir.id)),
        Put(content.key(), content.to_item()),
    ]
    moved: list[Put] = []
    for face in faces:
        own = face.model_copy(update={"photo_id": heir.id})
        moved.append(Put(own.key(), own.to_item()))
    room = 100 - len(writes)
    services.table.write_many(moved[room:])
    try:
        services.table.transact([*writes, *moved[:room]])
    except ConditionFailed:
        _log.info("an exact copy changed meanwhile", extra={"photo": heir.id})


def _point_to(services: Services, photo: Photo, heir: Photo, others: Sequence[Photo]) -> None:
    """The other exact copies are copies of ``heir`` now."""
    for other in others:
        expect = Expect(True, {"duplicateOf": photo.id})
        write, _ = services.photos.change(other, expect, duplicate_of=heir.id)
        row = Duplicate(album_id=other.album_id, keeper=heir.id, photo_id=other.id, kind="exact")
        old = Delete(Duplicate.key_of(other.album_id, photo.id, other.id))
        try:
            services.table.transact([write, Put(row.key(), row.to_item()), old])
        except ConditionFailed:
            continue


def _forget_content(services: Services, photo: Photo) -> None:
    if photo.sha256 is None:
        return
    expect = Expect(True, {"photoId": photo.id})
    try:
        services.table.write(Delete(Content.key_of(photo.album_id, photo.sha256), expect))
    except ConditionFailed:
        return


def _remove_own(services: Services, photo: Photo) -> None:
    if photo.upload_id is not None:
        services.objects.abort_multipart(photo.object_key, photo.upload_id)
    forget_photo(services, photo)
    services.objects.delete(
        [
            photo.object_key,
            keys.thumbnail(photo.user_id, photo.album_id, photo.id),
            keys.vectors(photo.user_id, photo.album_id, photo.id),
        ]
    )
    rows = [Detection.key_of(photo.album_id, photo.id), Fresh.key_of(photo.album_id, photo.id)]
    if photo.duplicate_of is not None:
        rows.append(Duplicate.key_of(photo.album_id, photo.duplicate_of, photo.id))
    services.table.write_many([Delete(row) for row in rows])
