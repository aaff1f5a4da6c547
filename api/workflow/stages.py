"""Ingestion in the stages of the state machine, each a function's work; the steps are those of
`ingestion`.

What one stage leaves for the next are the rows of the photos themselves, and a manifest of chunks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from api.domain import counts, uploads
from api.domain.models import Photo, PhotoStatus
from api.objects import keys
from api.objects.store import NewObject
from api.services import Services
from api.workflow.context import JobContext, JobInterrupted, RetryLater
from api.workflow.findings import Findings
from api.workflow.ingestion import PhotoRun, album_of, group, settle_copies, tell, waiting
from api.workflow.order import Step, reached
from api.workflow.steps import PhotoSteps

SMALL_CHUNK, LARGE_CHUNK = 8, 48
"""Photos of a chunk: few, so that a small batch is soon done; more, so that a large one has fewer
chunks. At a second a photo even these take a quarter of the function's time."""
INLINE_CHUNKS = 250
"""Chunks that are handed from state to state; more are in the manifest alone."""
_LOOK_AT = 100
_EXTRACT, _DETECT, _EMBED = (0.0, 0.25), (0.25, 0.6), (0.6, 0.85)


@dataclass(frozen=True)
class Work:
    """What is left of a batch after its exact copies.

    photos: how many. album_photos: how many the album has.
    chunks: ids of photos, a chunk each; empty if there are many: see the manifest.
    manifest_key: JSON ``[{"photoIds": [...]}, ...]``. input_manifest_key: the originals, as a
    Processing job reads them; what it finds lies under ``output_prefix``.
    """

    photos: int
    album_photos: int
    chunks: tuple[tuple[str, ...], ...]
    manifest_key: str
    input_manifest_key: str
    output_prefix: str


def extract(context: JobContext) -> tuple[int, bool]:
    """Read, check, hash and measure what waits. How many photos that were, and whether the time
    was up before the last.

    Raises:
        JobFailed: the album is gone.
        JobInterrupted: the job is to stop.
        RetryLater: some photos could not be processed now.
    """
    services = context.services
    album = album_of(context)
    uploads.sweep(services, album.id)
    total = max(counts.read(services, album.id).pending, 0)
    run = PhotoRun(context, until=Step.PREPARED, total=total, part=_EXTRACT)
    try:
        _none_left(run.go(waiting(services, album.id)))
    except JobInterrupted:
        if not context.late or context.interrupted.is_set():
            raise
        return total, True
    return total, False


def deduplicate(context: JobContext, batch: str, originals: str) -> Work:
    """Leave exact copies out, and write down what is left, in chunks.

    originals: where objects of originals are, a URI that their keys are added to.

    Raises:
        JobFailed: the album is gone.
    """
    services, user_id = context.services, context.job.user_id
    album = album_of(context)
    left = [(photo.id, photo.object_key) for photo in _left(services, album.id)]
    size = SMALL_CHUNK if len(left) <= SMALL_CHUNK * INLINE_CHUNKS else LARGE_CHUNK
    chunks = tuple(_chunks([photo_id for photo_id, _ in left], size))
    prefix = keys.batch_prefix(user_id, album.id, batch)
    work = Work(
        photos=len(left),
        album_photos=counts.read(services, album.id).photos,
        chunks=chunks if len(chunks) <= INLINE_CHUNKS else (),
        manifest_key=f"{prefix}chunks.json",
        input_manifest_key=f"{prefix}originals.manifest",
        output_prefix=f"{prefix}found",
    )
    sources = [{"prefix": originals}, *(key for _, key in left)]
    manifest = [{"photoIds": chunk} for chunk in chunks]
    services.objects.put_many(
        [
            NewObject(work.manifest_key, json.dumps(manifest).encode(), "application/json"),
            NewObject(work.input_manifest_key, json.dumps(sources).encode(), "application/json"),
        ]
    )
    context.begin_counting(len(left))
    return work


def detect(context: JobContext, photo_ids: Sequence[str]) -> int:
    """Find the faces of some photos; returns how many photos there are of these.

    Raises:
        JobInterrupted: the job is to stop, or the time is up.
        RetryLater: some photos could not be processed now.
    """
    return _chunk(context, photo_ids, Step.DETECTED, "detected", _DETECT, None)


def embed(context: JobContext, batch: str, photo_ids: Sequence[str]) -> int:
    """Vectors of the faces of some photos; what a Processing job found is taken in first.

    Raises:
        JobInterrupted: the job is to stop, or the time is up.
        RetryLater: some photos could not be processed now.
    """
    prefix = keys.batch_prefix(context.job.user_id, context.job.album_id, batch)
    findings = Findings(context.services, f"{prefix}found/")
    return _chunk(context, photo_ids, Step.EMBEDDED, "embedded", _EMBED, findings)


def cluster(context: JobContext) -> None:
    """Settle exact copies, link near-duplicates, group the faces.

    Raises:
        JobFailed: the album is gone.
        JobInterrupted: the job is to stop, or the time is up.
    """
    # A copy whose first has gone is left for the next batch, see `anything_left`.
    settle_copies(context)
    group(context)


def anything_left(context: JobContext) -> bool:
    """Is there a photo that waits and no batch has done? The index that finds them may lag, so
    that a batch misses what came just before it."""
    photos = context.services.photos
    album_id = context.job.album_id
    some = list(islice(waiting(context.services, album_id), _LOOK_AT))
    now = photos.get_many([photo.key() for photo in some])
    return any(photo is not None and photo.status is PhotoStatus.PENDING for photo in now)


def finish(context: JobContext) -> None:
    """Tell who waits, and clear away what the stages told each other, those of batches that failed
    included; may be repeated.

    Raises:
        JobFailed: the album is gone.
    """
    tell(context)
    prefix = keys.batches(context.job.user_id, context.job.album_id)
    objects = context.services.objects
    objects.delete([info.key for info in objects.list_objects(prefix)])


def _chunk(
    context: JobContext,
    photo_ids: Sequence[str],
    until: Step,
    name: str,
    part: tuple[float, float],
    findings: Findings | None,
) -> int:
    services = context.services
    found = services.photos.get_many([Photo.key_of(context.job.album_id, i) for i in photo_ids])
    photos = [p for p in found if p is not None and p.status is PhotoStatus.PENDING]
    steps = PhotoSteps(services, findings)
    run = PhotoRun(context, until=until, steps=steps)
    later = run.go(photos)
    context.count(name, len(photos) - later, part=part)
    _none_left(later)
    return len(photos)


def _left(services: Services, album_id: str) -> Iterator[Photo]:
    """Photos that go on, as they are now."""
    found = waiting(services, album_id)
    while some := list(islice(found, _LOOK_AT)):
        for photo in services.photos.get_many([photo.key() for photo in some]):
            if photo is None or photo.status is not PhotoStatus.PENDING:
                continue
            if reached(photo, Step.HASHED) and photo.duplicate_kind != "exact":
                yield photo


def _chunks(ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    rest = iter(ids)
    while some := tuple(islice(rest, size)):
        yield some


def _none_left(later: int) -> None:
    if later:
        raise RetryLater(f"{later} photos could not be processed now")
