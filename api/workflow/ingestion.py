"""The job that takes an album's photos in: steps of each photo, then of the whole album.

Photos that wait are rows of state ``pending``; photos that are done but of which the album has not
been told are `Fresh` rows; so that after a crash the job knows what is left without looking at the
rest of the album.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from itertools import islice

from api import events, metrics
from api.domain import counts, duplicates, people, purge, removal, uploads
from api.domain.ingest_rows import Fresh
from api.domain.models import Album, JobKind, Photo, PhotoStatus
from api.repositories.records import Repository
from api.repositories.table import PRESENT, ConditionFailed, Index
from api.services import Services
from api.sharing import notify
from api.workflow.context import JobContext, JobFailed, RetryLater
from api.workflow.steps import PhotoSteps, Taken, is_permanent

CHUNK = 4
"""Photos that a worker takes at a time; their faces are embedded as one batch."""
_KEEP_BYTES = 8 * 2**20
"""Larger photos are read again by the worker, so that few of them are in memory at a time."""
_PHOTOS, _DUPLICATES, _PEOPLE = (0.0, 0.85), (0.85, 0.9), (0.9, 1.0)


def ingest(context: JobContext) -> None:
    """The handler of the job; skips what is done.

    Raises:
        JobFailed: the album is gone.
        RetryLater: some photos could not be processed now.
    """
    services, job = context.services, context.job
    album = album_of(context)
    uploads.sweep(services, album.id)
    later = _Photos(context).run()
    fresh = list(Repository(services.table, Fresh).all(f"ALBUM#{album.id}"))
    photo_ids = [row.photo_id for row in fresh]
    duplicates.link(
        services,
        album,
        photo_ids,
        lambda done, total: context.progress(done, total, "duplicates", part=_DUPLICATES),
    )
    removed = removal.clear_all(services, album)
    if people.is_current(services, album):
        people.refresh(
            services,
            album,
            lambda done, total, step: context.progress(done, total, step, part=_PEOPLE),
        )
    else:
        context.start(JobKind.REEMBED)
    if photo_ids or removed:
        uploads.touch(services, job.user_id, album.id)
        events.publish(album.id, events.Event("people"))
    context.checkpoint()
    album = album_of(context)
    if album.contract_id is None:
        _note_contract(services, album)
    notify.photos_added(services, context.workflow, album, photo_ids)
    if not album.keep_originals:
        purge.originals(services, photo_ids, album.id, context.checkpoint)
    Repository(services.table, Fresh).delete(row.key() for row in fresh)
    removal.done(services, removed)
    if later:
        raise RetryLater(f"{later} photos could not be processed now")


def _note_contract(services: Services, album: Album) -> None:
    with suppress(ConditionFailed):  # it was deleted
        services.albums.update(album, PRESENT, contract_id=services.engine.contract_id)


def album_of(context: JobContext) -> Album:
    """The album of the job.

    Raises:
        JobFailed: it is gone.
    """
    album = context.services.albums.get(Album.key_of(context.job.user_id, context.job.album_id))
    if album is None:
        raise JobFailed("the album was deleted")
    return album


class _Photos:
    """One pass over the photos that wait."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._services = context.services
        self._album_id = context.job.album_id
        self._steps = PhotoSteps(context.services)
        self._done = 0
        self._later: list[str] = []
        self._ended: list[str] = []

    def run(self) -> int:
        """Process every photo that waits; returns how many are to be tried again."""
        total = max(counts.read(self._services, self._album_id).pending, 0)
        self._progress(total)
        workers = self._services.settings.workers
        # One more than there are to compute: somebody always waits for the disk.
        pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="ingest")
        going: dict[Future[dict[str, Exception]], list[Taken]] = {}
        try:
            taken = self._taken()
            while chunk := list(islice(taken, CHUNK)):
                self._context.checkpoint()
                # Its log lines carry the ids of the job and of the request.
                context = copy_context()
                going[pool.submit(context.run, self._steps.run, chunk)] = chunk
                if len(going) > workers + 1:
                    self._collect(going, total)
            while going:
                self._collect(going, total)
        finally:
            # What is in work is finished, so that nothing is written after the job has ended.
            pool.shutdown(wait=True, cancel_futures=True)
        self._copies()
        return len(self._later)

    def _waiting(self) -> Iterator[Photo]:
        partition = f"ALBUM#{self._album_id}#PHOTO#{PhotoStatus.PENDING}"
        return self._services.photos.index_all(Index.GSI1, partition)

    def _taken(self) -> Iterator[Taken]:
        """Photos in the order in which they came, so that of equal ones the first is kept."""
        for photo in self._waiting():
            try:
                taken = self._steps.take(photo)
            except Exception as error:  # noqa: BLE001 - one photo must not stop the others
                self._problem(photo, error)
                continue
            if taken is None:
                self._done += 1
                continue
            small = taken.data is not None and len(taken.data) <= _KEEP_BYTES
            yield taken if small else Taken(taken.photo)

    def _collect(self, going: dict[Future[dict[str, Exception]], list[Taken]], total: int) -> None:
        ready, _ = wait(going, return_when=FIRST_COMPLETED)
        for future in ready:
            chunk = going.pop(future)
            errors = future.result()
            for taken in chunk:
                if taken.photo.id in errors:
                    self._problem(taken.photo, errors[taken.photo.id])
                else:
                    self._done += 1
                    self._ended.append(taken.photo.id)
                    metrics.PHOTOS.labels("done").inc()
        self._progress(total)

    def _problem(self, photo: Photo, error: Exception) -> None:
        self._done += 1
        if is_permanent(error):
            metrics.PHOTOS.labels("failed").inc()
            self._steps.fail(photo, str(error))
            self._ended.append(photo.id)
        else:
            metrics.PHOTOS.labels("later").inc()
            self._steps.later(photo, error)
            self._later.append(photo.id)

    def _progress(self, total: int) -> None:
        self._context.progress(min(self._done, total), total, "photos", part=_PHOTOS)
        if self._ended:
            ended, self._ended = self._ended[:100], []
            events.publish(self._album_id, events.Event("photos", {"changed": ended}))

    def _copies(self) -> None:
        """Give exact copies what was found in the photo that they are copies of."""
        for photo in list(self._waiting()):
            self._context.checkpoint()
            if photo.duplicate_of is not None and not duplicates.settle_copy(self._services, photo):
                self._later.append(photo.id)
