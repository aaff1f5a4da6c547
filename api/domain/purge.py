"""Originals of albums that keep none: removed once everything has been made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.domain.models import Album, Photo, PhotoStatus
from api.repositories.table import PRESENT, ConditionFailed, Index
from api.services import Services
from api.workflow.context import JobContext, JobFailed

_AT_ONCE = 100


def originals(
    services: Services, photo_ids: Sequence[str], album_id: str, checkpoint: Callable[[], None]
) -> None:
    """Remove the originals of photos that are done; may be repeated.

    Photos that failed keep theirs: they could not be tried again without.
    """
    for start in range(0, len(photo_ids), _AT_ONCE):
        checkpoint()
        some = [
            Photo.key_of(album_id, photo_id) for photo_id in photo_ids[start : start + _AT_ONCE]
        ]
        for photo in services.photos.get_many(some):
            if photo is not None and photo.status is PhotoStatus.DONE:
                _purge(services, photo)


def _purge(services: Services, photo: Photo) -> None:
    if photo.original_purged:
        return
    # First the object: if the row came first, a crash would leave an object nobody knows of.
    services.objects.delete([photo.object_key])
    try:
        services.photos.update(photo, PRESENT, original_purged=True)
    except ConditionFailed:
        return


def purge_album(context: JobContext) -> None:
    """The job that removes the originals of a whole album."""
    services, job = context.services, context.job
    album = services.albums.get(Album.key_of(job.user_id, job.album_id))
    if album is None:
        raise JobFailed("the album was deleted")
    if album.keep_originals:
        return
    partition = f"ALBUM#{album.id}#PHOTO#{PhotoStatus.DONE}"
    for done, photo in enumerate(services.photos.index_all(Index.GSI1, partition)):
        context.progress(done, done + 1, "originals")
        _purge(services, photo)
