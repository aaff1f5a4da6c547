"""The steps of ingestion that a photo goes through by itself: hash, prepare, detect, embed.

Each step writes its objects, then the photo's row with the name of the step, then the next begins.
A photo that is taken up again goes on after the last step that its row names. Photos are worked on
a few at a time, so that they share the disk's syncs and their faces one run of the embedder.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from api.domain import counts
from api.domain.ingest_rows import Content, Detection, Duplicate, Fresh
from api.domain.models import Photo, PhotoStatus
from api.objects import keys
from api.objects.store import NewObject, ObjectMissing
from api.repositories.records import Repository
from api.repositories.table import (
    PRESENT,
    TRANSACTION_LIMIT,
    ConditionFailed,
    Delete,
    Expect,
    Put,
    Update,
    Write,
)
from api.services import Services
from api.workflow import analysis
from api.workflow.findings import Findings
from api.workflow.order import Step
from faceflow_ml.errors import ImageError
from faceflow_ml.inference.images import Photo as Decoded

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MAX_ATTEMPTS = 5
"""Times a photo is taken up for one step before it is given up: a crash counts as one."""


class PhotoProblem(Exception):
    """The photo cannot be processed; the message is for its owner."""


@dataclass(frozen=True, eq=False)
class Taken:
    """A photo in work. ``data``: its bytes, if they are at hand."""

    photo: Photo
    data: bytes | None = None


@dataclass(eq=False)
class _Work:
    photo: Photo
    data: bytes
    decoded: Decoded
    detection: Detection | None = None
    crops: NDArray[np.uint8] | None = None


class PhotoSteps:
    """The steps over the services. Every method may be called from several threads.

    findings: what was found in photos elsewhere; the engine looks at the others.
    """

    def __init__(self, services: Services, findings: Findings | None = None) -> None:
        self._services = services
        self._findings = findings
        self._contents = Repository(services.table, Content)
        self._detections = Repository(services.table, Detection)

    def take(self, photo: Photo) -> Taken | None:
        """Count the attempt, check the hash, and find out whether the album has these bytes.

        None: there is nothing more to be done with it here: it failed, is an exact copy of
        another, or is gone.
        """
        if photo.duplicate_of is not None and photo.duplicate_kind == "exact":
            return None
        if photo.attempts >= MAX_ATTEMPTS:
            self.fail(photo, f"given up after {photo.attempts} attempts: {photo.error or 'crash'}")
            return None
        counted = photo.model_copy(update={"attempts": photo.attempts + 1})
        if photo.step is not None:
            try:
                self._services.table.write(
                    Update(photo.key(), {"attempts": counted.attempts}, expect=_pending(photo))
                )
            except ConditionFailed:
                return None
            return Taken(counted)
        data = self._read(photo)
        sha256 = hashlib.sha256(data).hexdigest()
        if photo.sha256 is not None and photo.sha256 != sha256:
            raise PhotoProblem("the bytes that arrived are not those that were announced (SHA-256)")
        return self._claim(photo, sha256, data)

    def run(self, batch: Sequence[Taken], until: Step = Step.EMBEDDED) -> dict[str, Exception]:
        """Take photos through the rest of their steps, up to ``until``; what went wrong, by photo
        id. A photo that is as far already stays as it is."""
        errors: dict[str, Exception] = {}
        works = []
        for taken in batch:
            work = _attempt(errors, taken.photo, self._open, taken)
            if work is not None:
                works.append(work)
        works = self._prepare(works, errors)
        if until is Step.PREPARED:
            return errors
        works = self._detect(works, errors)
        if until is Step.DETECTED:
            return errors
        self._embed(works, errors)
        return errors

    def fail(self, photo: Photo, reason: str) -> None:
        """The photo cannot be processed; it holds nothing up."""
        self._end(photo, status=PhotoStatus.FAILED, error=reason, attempts=0)

    def later(self, photo: Photo, error: Exception) -> None:
        """The photo could not be processed now; it stays as it is."""
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        _log.warning("photo is tried again", extra={"photo": photo.id, "reason": reason})
        # One that could not even be read has not been counted.
        add = {"attempts": 1} if photo.step is None else {}
        try:
            self._services.table.write(
                Update(photo.key(), {"error": reason}, add, expect=_pending(photo))
            )
        except ConditionFailed:
            return

    def _end(self, photo: Photo, **changes: Any) -> None:
        current = self._services.photos.get(photo.key())
        if current is None or current.status is not PhotoStatus.PENDING:
            return
        write, after = self._services.photos.change(current, _pending(current), **changes)
        writes: list[Write] = [write, *counts.adjust(photo.album_id, current, after)]
        writes.append(Delete(Detection.key_of(photo.album_id, photo.id)))
        try:
            self._services.table.transact(writes)
        except ConditionFailed:
            return

    def _read(self, photo: Photo) -> bytes:
        limit = self._services.settings.max_photo_bytes
        try:
            info = self._services.objects.head(photo.object_key)
            if info is not None and info.size > limit:
                raise PhotoProblem(f"{info.size:,} bytes, over the limit of {limit:,}")
            return self._services.objects.get(photo.object_key)
        except ObjectMissing as error:
            raise PhotoProblem("its bytes are gone; upload it again") from error

    def _claim(self, photo: Photo, sha256: str, data: bytes) -> Taken | None:
        """Be the first of the album with these bytes, or a copy of the one that is."""
        content = Content(album_id=photo.album_id, sha256=sha256, photo_id=photo.id)
        while True:
            known = self._contents.get(content.key())
            if known is not None and known.photo_id != photo.id:
                first = self._services.photos.get(Photo.key_of(photo.album_id, known.photo_id))
                if first is not None and first.status is not PhotoStatus.FAILED:
                    self._note_copy(photo, first, sha256)
                    return None
            write, hashed = self._services.photos.change(
                photo,
                _pending(photo),
                sha256=sha256,
                step=Step.HASHED,
                attempts=photo.attempts + 1,
            )
            expect = Expect(None, {"photoId": None if known is None else known.photo_id})
            try:
                self._services.table.transact([write, self._contents.put(content, expect)])
            except ConditionFailed as error:
                if error.key == photo.key():
                    return None
                continue
            return Taken(hashed, data)

    def _note_copy(self, photo: Photo, first: Photo, sha256: str) -> None:
        write, copy = self._services.photos.change(
            photo,
            _pending(photo),
            sha256=sha256,
            step=Step.HASHED,
            duplicate_of=first.id,
            duplicate_kind="exact",
        )
        row = Duplicate(album_id=photo.album_id, keeper=first.id, photo_id=photo.id, kind="exact")
        writes: list[Write] = [write, Put(row.key(), row.to_item())]
        try:
            self._services.table.transact([*writes, *counts.adjust(photo.album_id, photo, copy)])
        except ConditionFailed:
            return

    def _open(self, taken: Taken) -> _Work:
        photo = taken.photo
        data = self._read(photo) if taken.data is None else taken.data
        work = _Work(photo, data, analysis.decode(data, self._services.settings.max_photo_bytes))
        if photo.step == Step.DETECTED:
            work.detection = self._detections.get(Detection.key_of(photo.album_id, photo.id))
            if work.detection is not None:
                work.crops = analysis.align(work.decoded, work.detection)
        return work

    def _prepare(self, works: list[_Work], errors: dict[str, Exception]) -> list[_Work]:
        new: list[tuple[_Work, list[NewObject], list[Write]]] = []
        going = []
        for work in works:
            if work.photo.step != Step.HASHED:
                going.append(work)
                continue
            made = _attempt(errors, work.photo, analysis.prepare, work.data, work.decoded)
            if made is None:
                continue
            photo = work.photo
            write, work.photo = self._services.photos.change(
                photo,
                _pending(photo),
                step=Step.PREPARED,
                attempts=0,
                width=made.width,
                height=made.height,
                exif=made.exif,
                blur=made.blur,
                sharpness=made.sharpness,
                phash=made.phash,
            )
            key = keys.thumbnail(photo.user_id, photo.album_id, photo.id)
            new.append((work, [NewObject(key, made.thumbnail, "image/jpeg")], [write]))
        return going + self._store(new, errors)

    def _detect(self, works: list[_Work], errors: dict[str, Exception]) -> list[_Work]:
        new: list[tuple[_Work, list[NewObject], list[Write]]] = []
        going = []
        for work in works:
            photo = work.photo
            if work.detection is not None or photo.sha256 is None:
                going.append(work)
                continue
            found = _attempt(errors, photo, self._find, photo, work.decoded)
            if found is None:
                continue
            work.detection, work.crops = found.detection, found.crops
            write, work.photo = self._services.photos.change(
                photo, _pending(photo), step=Step.DETECTED, attempts=0
            )
            objects = [
                NewObject(keys.crop(photo.user_id, photo.album_id, face), picture, "image/jpeg")
                for face, picture in zip(
                    analysis.face_ids(photo.sha256, found.detection), found.pictures, strict=True
                )
            ]
            row = found.detection
            new.append((work, objects, [write, Put(row.key(), row.to_item())]))
        return going + self._store(new, errors)

    def _find(self, photo: Photo, decoded: Decoded) -> analysis.Found:
        found = None if self._findings is None else self._findings.of(photo, decoded)
        if found is None:
            found = self._services.engine.detect(decoded.pixels)
        return analysis.detect(photo, decoded, found)

    def _embed(self, works: list[_Work], errors: dict[str, Exception]) -> None:
        crops = [_crops(work) for work in works]
        if not works:
            return
        try:
            engine = self._services.engine
            vectors, trust = engine.embed(np.concatenate(crops))
        except Exception as error:  # noqa: BLE001 - each of the photos is tried again
            errors |= dict.fromkeys((work.photo.id for work in works), error)
            return
        start = 0
        new: list[tuple[_Work, list[NewObject], list[Write]]] = []
        for work, own in zip(works, crops, strict=True):
            part = slice(start, start + len(own))
            start = part.stop
            new.append(self._finished(work, vectors[part], trust[part], engine.contract_id))
        self._store(new, errors)

    def _finished(
        self,
        work: _Work,
        vectors: NDArray[np.float32],
        trust: NDArray[np.float32],
        contract_id: str,
    ) -> tuple[_Work, list[NewObject], list[Write]]:
        photo, detection = work.photo, work.detection
        if detection is None:
            raise ValueError("expected a photo whose faces were found")
        faces = analysis.face_records(photo, detection, trust, contract_id)
        write, done = self._services.photos.change(
            photo,
            _pending(photo),
            status=PhotoStatus.DONE,
            step=Step.EMBEDDED,
            faces=analysis.face_boxes(faces),
            attempts=0,
            error=None,
        )
        fresh = Fresh(album_id=photo.album_id, photo_id=photo.id)
        writes: list[Write] = [
            write,
            *counts.adjust(photo.album_id, photo, done, len(faces)),
            Delete(detection.key()),
            Put(fresh.key(), fresh.to_item()),
            *(Put(face.key(), face.to_item()) for face in faces),
        ]
        objects = []
        if faces:
            key = keys.vectors(photo.user_id, photo.album_id, photo.id)
            objects.append(NewObject(key, analysis.to_npy(vectors), "application/x-npy"))
        work.photo = done
        return work, objects, writes

    def _store(
        self,
        new: list[tuple[_Work, list[NewObject], list[Write]]],
        errors: dict[str, Exception],
    ) -> list[_Work]:
        """Write what a step made: objects first, then rows; the photos that are still there."""
        if not new:
            return []
        try:
            self._services.objects.put_many([entry for _, objects, _ in new for entry in objects])
        except Exception as error:  # noqa: BLE001 - a full disk, say: each is tried again
            errors |= dict.fromkeys((work.photo.id for work, _, _ in new), error)
            return []
        stored = []
        for work, objects, writes in new:
            try:
                self._commit(writes)
            except ConditionFailed:
                self._clear_away(work.photo, [entry.key for entry in objects])
                continue
            except Exception as error:  # noqa: BLE001 - as above
                errors[work.photo.id] = error
                continue
            stored.append(work)
        return stored

    def _commit(self, writes: list[Write]) -> None:
        # The photo's own row comes first and last counts: faces beyond what a transaction holds
        # are written before it, and again by whoever takes the photo up after a crash.
        head, rest = writes[:TRANSACTION_LIMIT], writes[TRANSACTION_LIMIT:]
        if rest:
            self._services.table.write_many([w for w in rest if isinstance(w, Put)])
        self._services.table.transact(head)

    def _clear_away(self, photo: Photo, written: list[str]) -> None:
        """Remove what was written for a photo that was deleted meanwhile."""
        if self._services.photos.get(photo.key()) is not None:
            return
        own = [*written, keys.thumbnail(photo.user_id, photo.album_id, photo.id)]
        own.append(keys.vectors(photo.user_id, photo.album_id, photo.id))
        self._services.objects.delete(own)
        self._services.table.write(Delete(Detection.key_of(photo.album_id, photo.id)))


def _crops(work: _Work) -> NDArray[np.uint8]:
    if work.crops is None:
        raise ValueError("expected a photo whose faces were aligned")
    return work.crops


def _pending(photo: Photo) -> Expect:
    return replace(PRESENT, values={"status": PhotoStatus.PENDING, "step": photo.step})


def _attempt(
    errors: dict[str, Exception], photo: Photo, work: Callable[P, T], *args: P.args, **kw: P.kwargs
) -> T | None:
    """Do work on one photo; what it raises is noted, and the others go on."""
    try:
        return work(*args, **kw)
    except Exception as error:  # noqa: BLE001 - one photo must not stop the others
        errors[photo.id] = error
        return None


def is_permanent(error: Exception) -> bool:
    """Is trying again of no use?"""
    return isinstance(error, ImageError | PhotoProblem)
