"""The ZIP of a share: its photos and their checksums, built by a job, kept as an object.

Names are made of the uploaders' (see `names`). ``manifest.json`` tells of every file;
``SHA256SUMS`` is for ``sha256sum --check``. The bytes depend on nothing but the photos and the
share, so that a build that was killed and begun anew ends with the same archive. At any moment a
build holds one photo in memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from api.domain.models import Album, Job, JobKind, JobState, Photo
from api.domain.share_models import Archive, Share
from api.errors import Conflict, Forbidden
from api.ids import now
from api.objects import keys
from api.objects.store import ObjectMissing
from api.repositories.table import Check, ConditionFailed, Expect
from api.services import Services
from api.sharing.contents import Contents, contents_of, shown_photos
from api.sharing.media import copy_maker
from api.sharing.names import UniqueNames
from api.sharing.shares import is_open
from api.sharing.zips import MANIFEST, SUMS, Entry, PartWriter, PhotoZip, TooManyParts
from api.workflow.context import JobContext, JobFailed
from api.workflow.workflow import Workflow
from faceflow_ml.errors import ImageError

FORMAT = 1
"""Of the archive; those of other formats are built anew."""


class ArchiveState(StrEnum):
    """How an archive stands."""

    NONE = "none"
    """Nobody has asked for it, or its photos changed since."""
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class ArchiveStatus:
    """An archive as its recipient sees it; ``progress`` from 0 to 1."""

    state: ArchiveState
    progress: float = 0.0
    photos: int = 0
    size: int | None = None
    sha256: str | None = None
    error: str | None = None


def request_archive(
    services: Services, workflow: Workflow, album: Album, share: Share
) -> ArchiveStatus:
    """Start building the archive, or join the build; nothing to do if it is there.

    Raises:
        Forbidden: the owner allows no downloads.
        Conflict: the share holds no photos.
    """
    _check_allowed(share)
    contents = contents_of(services, album, share)
    if not contents.photo_ids:
        raise Conflict("there are no photos in this share")
    status = _ready(services, share, contents)
    if status is not None:
        return status
    job = workflow.start(JobKind.ARCHIVE, share.user_id, share.album_id, share.id)
    return _building(job, contents)


def archive_status(
    services: Services, workflow: Workflow, album: Album, share: Share
) -> ArchiveStatus:
    """How the archive of the photos that the share holds now stands.

    Raises:
        Forbidden: the owner allows no downloads.
    """
    _check_allowed(share)
    contents = contents_of(services, album, share)
    ready = _ready(services, share, contents)
    if ready is not None:
        return ready
    job = workflow.latest(JobKind.ARCHIVE, share.album_id, share.id)
    if job is None or job.state is JobState.DONE:
        return ArchiveStatus(ArchiveState.NONE, photos=len(contents.photo_ids))
    return _building(job, contents)


def _check_allowed(share: Share) -> None:
    if not share.allow_download:
        raise Forbidden("the owner of this share allows no downloads")


def _building(job: Job, contents: Contents) -> ArchiveStatus:
    failed = job.state is JobState.FAILED
    return ArchiveStatus(
        state=ArchiveState.FAILED if failed else ArchiveState.BUILDING,
        progress=job.progress,
        photos=len(contents.photo_ids),
        error=job.error if failed else None,
    )


def _ready(services: Services, share: Share, contents: Contents) -> ArchiveStatus | None:
    archive = services.archives.get(Archive.key_of(share.album_id, share.id))
    if archive is None or archive.fingerprint != _fingerprint(share, contents):
        return None
    return ArchiveStatus(
        ArchiveState.READY, 1.0, archive.photos, archive.size, archive.sha256, None
    )


def _fingerprint(share: Share, contents: Contents) -> str:
    """Of what the archive is made of. Photos never change; an original that is purged leaves an
    archive that has it better than any new one."""
    text = "\n".join([str(FORMAT), share.id, str(share.keep_metadata), *contents.photo_ids])
    return hashlib.sha256(text.encode()).hexdigest()


def build_archive(ctx: JobContext) -> None:
    """Handler of ARCHIVE jobs; their subject is the share.

    Raises:
        JobFailed: it would be larger than an object can be.
    """
    services = ctx.services
    share = services.shares.get(Share.key_of(ctx.job.album_id, ctx.job.subject))
    album = services.albums.get(Album.key_of(ctx.job.user_id, ctx.job.album_id))
    if share is None or album is None or not is_open(share):
        return
    contents = contents_of(services, album, share)
    if not contents.photo_ids or _ready(services, share, contents):
        return
    key = keys.archive(share.user_id, share.album_id, share.id)
    archive = _begin(services, share, key)
    writer = PartWriter(
        services.objects, key, archive.upload_id or "", services.settings.part_bytes
    )
    try:
        with (
            TemporaryDirectory(prefix="archive-", dir=services.scratch) as folder,
            PhotoZip(writer.write, Path(folder), share.id) as archive_zip,
        ):
            photos = _write(ctx, share, contents, archive_zip)
        _end(services, share, archive, writer, _fingerprint(share, contents), photos)
    except TooManyParts as error:
        raise JobFailed("the archive would be too large; share fewer photos") from error
    finally:
        writer.close()


def _begin(services: Services, share: Share, key: str) -> Archive:
    """The archive's row with a new upload; what a killed build has left is thrown away."""
    row = services.archives.get(Archive.key_of(share.album_id, share.id))
    if row is None:
        row = Archive(share_id=share.id, album_id=share.album_id, user_id=share.user_id)
    if row.upload_id is not None:
        services.objects.abort_multipart(key, row.upload_id)
    upload = services.objects.start_multipart(key, "application/zip")
    row = row.model_copy(update={"upload_id": upload})
    services.archives.save(row)
    return row


def _end(
    services: Services,
    share: Share,
    archive: Archive,
    writer: PartWriter,
    fingerprint: str,
    photos: int,
) -> None:
    # The row says nothing of the object while that is replaced: what it says is always true.
    services.archives.save(archive.model_copy(update={"fingerprint": None}))
    writer.finish()
    built = archive.model_copy(
        update={
            "fingerprint": fingerprint,
            "sha256": writer.sha256,
            "size": writer.size,
            "photos": photos,
            "built_at": now(),
            "upload_id": None,
        }
    )
    try:
        services.table.transact(
            [services.archives.put(built), Check(share.key(), Expect(True, {"revoked": False}))]
        )
    except ConditionFailed:  # revoked while it was built
        services.archives.delete([archive.key()])
        services.objects.delete([keys.archive(share.user_id, share.album_id, share.id)])


def _write(ctx: JobContext, share: Share, contents: Contents, archive: PhotoZip) -> int:
    """Write all of the archive; how many photos are in it."""
    names = UniqueNames(taken=(MANIFEST, SUMS))
    total = len(contents.photo_ids)
    omitted: dict[str, str] = {}
    photos = 0
    found = shown_photos(ctx.services, share.album_id, contents.photo_ids)
    for number, photo in enumerate(found):
        ctx.progress(number, total, "photos")
        entry = _entry(ctx.services, share, photo, names)
        if isinstance(entry, str):
            omitted[photo.id] = entry
        else:
            archive.add(entry)
            photos += 1
    archive.finish(omitted)
    ctx.progress(total, total, "photos")
    return photos


def _entry(services: Services, share: Share, photo: Photo, names: UniqueNames) -> Entry | str:
    """The photo for the archive, or the reason why it cannot be there."""
    moment = _moment(photo)
    if not photo.original_purged:
        try:
            copy = copy_maker(share)(services.objects.get(photo.object_key))
        except ObjectMissing:
            pass  # purged since the row was read
        except ImageError as error:
            return f"no copy can be made of it: {error}"
        else:
            name = names.take(photo.filename, copy.extension)
            return Entry(photo.id, name, copy.data, full=True, moment=moment)
    try:
        data = services.objects.get(keys.thumbnail(share.user_id, share.album_id, photo.id))
    except ObjectMissing:
        return "it was removed"
    return Entry(photo.id, names.take(photo.filename, "jpg"), data, full=False, moment=moment)


def _moment(photo: Photo) -> datetime:
    taken = photo.exif.taken_at if photo.exif is not None else None
    for text in (taken, photo.created_at):
        try:
            return datetime.fromisoformat(text or "").replace(tzinfo=None)
        except ValueError:
            continue
    raise ValueError(f"photo {photo.id} has no time")
