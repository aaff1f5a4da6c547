"""The job that takes an album's photos in: steps of each photo, then of the whole album.

Photos that wait are rows of state ``pending``; photos that are done but of which the album has not
been told are `Fresh` rows; so that after a crash the job knows what is left without looking at the
rest of the album.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from api.workflow.order import Step, reached
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
    services = context.services
    album = album_of(context)
    uploads.sweep(services, album.id)
    total = max(counts.read(services, album.id).pending, 0)
    run = PhotoRun(context, total=total, part=_PHOTOS)
    later = run.go(waiting(services, album.id)) + settle_copies(context)
    group(context)
    context.checkpoint()
    tell(context)
    if later:
        raise RetryLater(f"{later} photos could not be processed now")


def waiting(services: Services, album_id: str) -> Iterator[Photo]:
    """Photos that wait, in the order in which they came."""
    partition = f"ALBUM#{album_id}#PHOTO#{PhotoStatus.PENDING}"
    return services.photos.index_all(Index.GSI1, partition)


def settle_copies(context: JobContext) -> int:
    """Give exact copies what was found in the photo that they are copies of; returns how many
    have to be tried again."""
    services = context.services
    later = 0
    for photo in list(waiting(services, context.job.album_id)):
        context.checkpoint()
        if photo.duplicate_of is not None and not duplicates.settle_copy(services, photo):
            later += 1
    return later


def group(context: JobContext) -> None:
    """Bring duplicates and people up to date with the photos that are done; may be repeated.

    Raises:
        JobFailed: the album is gone.
    """
    services = context.services
    album = album_of(context)
    photo_ids = [row.photo_id for row in _fresh(services, album.id)]
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
        uploads.touch(services, album.user_id, album.id)
        events.publish(album.id, events.Event("people"))
    removal.done(services, removed)
    if album.contract_id is None:
        _note_contract(services, album)


def tell(context: JobContext) -> None:
    """Tell who waits for the photos that are done, and let go of them; may be repeated.

    Raises:
        JobFailed: the album is gone.
    """
    services = context.services
    album = album_of(context)
    fresh = _fresh(services, album.id)
    photo_ids = [row.photo_id for row in fresh]
    notify.photos_added(services, context.workflow, album, photo_ids)
    if not album.keep_originals:
        purge.originals(services, photo_ids, album.id, context.checkpoint)
    Repository(services.table, Fresh).delete(row.key() for row in fresh)


def album_of(context: JobContext) -> Album:
    """The album of the job.

    Raises:
        JobFailed: it is gone.
    """
    album = context.services.albums.get(Album.key_of(context.job.user_id, context.job.album_id))
    if album is None:
        raise JobFailed("the album was deleted")
    return album


def _fresh(services: Services, album_id: str) -> list[Fresh]:
    return list(Repository(services.table, Fresh).all(f"ALBUM#{album_id}"))


def _note_contract(services: Services, album: Album) -> None:
    with suppress(ConditionFailed):  # it was deleted
        services.albums.update(album, PRESENT, contract_id=services.engine.contract_id)


class PhotoRun:
    """One pass over photos.

    Args:
        until: the step that they are taken to.
        total: how many there may be, for progress.
        part: of the whole job, from 0 to 1, what the pass is; None: somebody else tells progress.
        steps: None: of the context's services.
    """

    def __init__(
        self,
        context: JobContext,
        *,
        until: Step = Step.EMBEDDED,
        total: int = 0,
        part: tuple[float, float] | None = None,
        steps: PhotoSteps | None = None,
    ) -> None:
        self._context = context
        self._services = context.services
        self._album_id = context.job.album_id
        self._steps = steps or PhotoSteps(context.services)
        self._until = until
        self._total = total
        self._part = part
        self._done = 0
        self._later: list[str] = []
        self._ended: list[str] = []

    def go(self, photos: Iterable[Photo]) -> int:
        """Process photos; returns how many are to be tried again.

        Raises:
            JobInterrupted: stop now; photos in work are finished.
        """
        self._progress()
        workers = self._services.settings.workers
        # One more than there are to compute: somebody always waits for the disk.
        pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="ingest")
        going: dict[Future[dict[str, Exception]], list[Taken]] = {}
        try:
            taken = self._taken(photos)
            while chunk := list(islice(taken, CHUNK)):
                self._context.checkpoint()
                # Its log lines carry the ids of the job and of the request.
                context = copy_context()
                future = pool.submit(context.run, self._steps.run, chunk, self._until)
                going[future] = chunk
                if len(going) > workers + 1:
                    self._collect(going)
            while going:
                self._collect(going)
        finally:
            # What is in work is finished, so that nothing is written after the job has ended.
            pool.shutdown(wait=True, cancel_futures=True)
        return len(self._later)

    def _taken(self, photos: Iterable[Photo]) -> Iterator[Taken]:
        """Photos in the order in which they came, so that of equal ones the first is kept."""
        for photo in photos:
            if reached(photo, self._until):
                self._done += 1
                continue
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

    def _collect(self, going: dict[Future[dict[str, Exception]], list[Taken]]) -> None:
        ready, _ = wait(going, return_when=FIRST_COMPLETED)
        for future in ready:
            chunk = going.pop(future)
            errors = future.result()
            for taken in chunk:
                if taken.photo.id in errors:
                    self._problem(taken.photo, errors[taken.photo.id])
                else:
                    self._done += 1
                    self._note_end(taken.photo, "done")
        self._progress()

    def _problem(self, photo: Photo, error: Exception) -> None:
        self._done += 1
        if is_permanent(error):
            self._steps.fail(photo, str(error))
            self._note_end(photo, "failed")
        else:
            metrics.PHOTOS.labels("later").inc()
            self._steps.later(photo, error)
            self._later.append(photo.id)

    def _note_end(self, photo: Photo, outcome: str) -> None:
        if self._until is Step.EMBEDDED or outcome == "failed":
            metrics.PHOTOS.labels(outcome).inc()
            self._ended.append(photo.id)

    def _progress(self) -> None:
        if self._part is None:
            self._context.checkpoint()
        else:
            done = min(self._done, self._total)
            self._context.progress(done, self._total, "photos", part=self._part)
        if self._ended:
            ended, self._ended = self._ended[:100], []
            events.publish(self._album_id, events.Event("photos", {"changed": ended}))
