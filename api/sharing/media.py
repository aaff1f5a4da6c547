"""A share's photos as objects: copies that are made when they are first asked for, and kept under
the share's own prefix, so that they go with it."""

from __future__ import annotations

from collections.abc import Callable
from threading import BoundedSemaphore

from api.domain.models import Photo
from api.domain.share_models import Archive, Share
from api.errors import Conflict, Gone, NotFound
from api.objects import keys
from api.objects.store import ObjectMissing
from api.services import Services
from api.sharing.contents import kept_photos
from api.sharing.copies import Copy, clean_copy, raw_copy, view_copy
from faceflow_ml.errors import ImageError

_decoding = BoundedSemaphore(2)
"""A photo in memory may take some hundred megabytes."""


def view_object(services: Services, share: Share, photo: Photo) -> str | None:
    """Key of the photo in a size for looking at; None if its original is gone: there is its
    thumbnail.

    Raises:
        Conflict: no copy can be made of it.
        Gone: the share was revoked, or the photo deleted, meanwhile.
    """
    name = f"{photo.id}-view."
    key = _find(services, share, name)
    if key is not None:
        return key
    original = _original(services, photo)
    if original is None:
        return None
    return _keep(services, share, photo, name, _copied(view_copy, original))


def download_object(services: Services, share: Share, photo: Photo) -> str:
    """Key of the photo in full size, without metadata unless the share keeps it.

    Raises:
        NotFound: its original is not kept.
        Conflict: no copy can be made of it.
        Gone: the share was revoked, or the photo deleted, meanwhile.
    """
    # Two names, so that a change of mind never meets the other kind of copy.
    name = f"{photo.id}-{'raw' if share.keep_metadata else 'clean'}."
    key = _find(services, share, name)
    if key is not None:
        return key
    original = _original(services, photo)
    if original is None:
        raise NotFound("the original of this photo is not kept")
    return _keep(services, share, photo, name, _copied(copy_maker(share), original))


def copy_maker(share: Share) -> Callable[[bytes], Copy]:
    """What makes full-size copies for a share."""
    return raw_copy if share.keep_metadata else clean_copy


def _original(services: Services, photo: Photo) -> bytes | None:
    if photo.original_purged:
        return None
    try:
        return services.objects.get(photo.object_key)
    except ObjectMissing:  # purged since the row was read
        return None


def _copied(make: Callable[[bytes], Copy], original: bytes) -> Copy:
    with _decoding:
        try:
            return make(original)
        except ImageError as error:
            raise Conflict(f"no copy can be made of this photo: {error}") from error


def _find(services: Services, share: Share, name: str) -> str | None:
    prefix = keys.share_copy(share.user_id, share.album_id, share.id, name)
    found = next(iter(services.objects.list_objects(prefix)), None)
    return None if found is None else found.key


def _keep(services: Services, share: Share, photo: Photo, name: str, copy: Copy) -> str:
    key = keys.share_copy(share.user_id, share.album_id, share.id, name + copy.extension)
    services.objects.put(key, copy.data, copy.content_type)
    # What went since it was read has been cleared away already: this would stay for ever.
    current = services.shares.get(share.key())
    if current is None or current.revoked or services.photos.get(photo.key()) is None:
        services.objects.delete([key])
        raise Gone("this photo is shared no more")
    return key


def forget_photo(services: Services, photo: Photo) -> None:
    """Remove what shares have made of a photo that was deleted: copies, and archives with it.

    May be repeated. Archives are built again when they are asked for.
    """
    for share in services.shares.all(f"ALBUM#{photo.album_id}"):
        prefix = keys.share_copy(share.user_id, share.album_id, share.id, f"{photo.id}-")
        if next(iter(services.objects.list_objects(prefix)), None) is not None:
            services.objects.delete_prefix(prefix)
        row = Archive.key_of(share.album_id, share.id)
        if services.archives.get(row) is None:
            continue
        # Nobody wrote down which photos the archive of a live share holds.
        if share.live or photo.id in kept_photos(services, share):
            services.archives.delete([row])
            services.objects.delete([keys.archive(share.user_id, share.album_id, share.id)])
