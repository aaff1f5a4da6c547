"""The job that gives an album the vectors of another embedder.

They are made from the pictures of faces, which are always kept, and lie beside the old ones until
all are there; until then the album is as it was. Then one entry of the log switches: it groups
every face by the new vectors, under the ids and names that there are, with what people decided as
its constraints. The photos' own vectors and the rows of faces follow it. Each part skips what is
done, so that a job that is taken up again goes on where it was. See
docs/decisions/0013-reembedding.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice

import numpy as np

from api import events
from api.domain import counts, people
from api.domain.ledger import people_of
from api.domain.models import Album, Face, Job, JobKind, Photo
from api.domain.vectors import DIMENSIONS, Vectors, read_vectors
from api.objects import keys
from api.objects.store import NewObject, ObjectMissing
from api.repositories.table import PRESENT, TRANSACTION_LIMIT, ConditionFailed, Index, Update
from api.services import Services
from api.workflow import analysis, pictures
from api.workflow.context import JobContext
from api.workflow.pace import Pace
from api.workflow.workflow import Workflow

_CHUNK = 16
"""Photos that are worked on together; their faces are one run of the embedder."""
_EMBED, _GROUP, _FOLLOW = (0.0, 0.7), (0.7, 0.8), (0.8, 1.0)

_Entry = tuple[Photo, list[Face]]
_PACE = Pace()


def start_stale(services: Services, workflow: Workflow, *, every: bool = False) -> list[Job]:
    """Start (or join) the job of each album whose vectors are of another embedder.

    every: of all albums; one whose vectors are current is only looked through.
    """
    started = []
    for album in services.albums.index_all(Index.GSI1, "ALBUM"):
        # The models are not loaded only to find that there is nothing to do.
        known = album.contract_id is not None
        if every or (known and album.contract_id != services.engine.contract_id):
            started.append(workflow.start(JobKind.REEMBED, album.user_id, album.id))
    return started


def reembed(context: JobContext) -> None:
    """The handler of the job; nothing to do when the album is gone."""
    job = context.job
    album = context.services.albums.get(Album.key_of(job.user_id, job.album_id))
    if album is not None:
        _Reembedding(context, album).run()


class _Reembedding:
    """One album, and the embedder that there is now."""

    def __init__(self, context: JobContext, album: Album) -> None:
        self._context = context
        self._services = context.services
        self._album = album
        self._contract = context.services.engine.contract_id
        self._prefix = f"{keys.reembedding(album.user_id, album.id)}{self._contract}/"

    def run(self) -> None:
        """Embed, switch, and let everything else follow."""
        services, album = self._services, self._album
        self._embed()
        if not people.is_current(services, album):
            self._switch()
        self._follow()
        # Faces that the log has not seen yet.
        people.refresh(services, album)
        try:
            services.albums.update(album, PRESENT, contract_id=self._contract)
        except ConditionFailed:
            return  # the album was deleted
        self._clear()
        events.publish(album.id, events.Event("people"))

    def _clear(self) -> None:
        """Remove what was needed on the way, and what is of no use any more."""
        objects, album = self._services.objects, self._album
        objects.delete_prefix(self._prefix)
        current = keys.packs(album.user_id, album.id, self._contract)
        packs = objects.list_objects(current.removesuffix(f"{self._contract}/"))
        objects.delete([info.key for info in packs if not info.key.startswith(current)])

    def _stale(self) -> Iterator[list[_Entry]]:
        """Photos with faces of another embedder, some at a time."""
        services = self._services
        photos = services.photos.all(f"ALBUM#{self._album.id}")
        while some := list(islice(photos, _CHUNK)):
            wanted = [Face.key_of(self._album.id, face.id) for one in some for face in one.faces]
            stale: dict[str, list[Face]] = {}
            for face in services.faces.get_many(wanted):
                if face is not None and face.contract_id != self._contract:
                    stale.setdefault(face.photo_id, []).append(face)
            # An exact copy lists the faces of the photo that it is a copy of.
            entries = [(photo, stale[photo.id]) for photo in some if photo.id in stale]
            if entries:
                yield entries

    def _embed(self) -> None:
        """Make the new vectors of every photo that has none yet."""
        there = {info.key for info in self._services.objects.list_objects(self._prefix)}
        total = counts.read(self._services, self._album.id).done
        workers = self._services.settings.workers
        pool = ThreadPoolExecutor(workers, thread_name_prefix="reembed")
        going: list[Future[None]] = []
        done = 0
        try:
            for entries in self._stale():
                self._context.progress(min(done, total), total, "embed", part=_EMBED)
                done += len(entries)
                left = [entry for entry in entries if self._key(entry[0].id) not in there]
                if left:
                    self._wait(left)
                    going.append(pool.submit(copy_context().run, self._embed_some, left))
                if len(going) > workers:
                    going.pop(0).result()
            for future in going:
                future.result()
        finally:
            # Nothing is written after the job has ended.
            pool.shutdown(wait=True, cancel_futures=True)

    def _wait(self, entries: Sequence[_Entry]) -> None:
        """Leave the embedder to people who are waiting for their photos."""
        count = sum(len(faces) for _, faces in entries)
        _PACE.wait(count, self._services.settings.reembed_rate, self._context.checkpoint)

    def _embed_some(self, entries: Sequence[_Entry]) -> None:
        crops, places = [], []
        for photo, faces in entries:
            for face in faces:
                picture = self._picture(face)
                crop = None if picture is None else analysis.align_picture(picture, photo, face)
                if crop is not None:
                    crops.append(crop)
                    places.append((photo.id, face.row))
        found = {
            # A face without a picture has zeros, and stays with whom it is.
            photo.id: np.zeros((max(face.row for face in faces) + 1, DIMENSIONS), np.float32)
            for photo, faces in entries
        }
        if crops:
            vectors, _ = self._services.engine.embed(np.stack(crops))
            for (photo_id, row), vector in zip(places, vectors, strict=True):
                found[photo_id][row] = vector
        self._services.objects.put_many(
            [
                NewObject(self._key(photo_id), analysis.to_npy(vectors), "application/x-npy")
                for photo_id, vectors in found.items()
            ]
        )

    def _picture(self, face: Face) -> pictures.Pixels | None:
        key = keys.crop(self._album.user_id, self._album.id, face.id)
        try:
            return pictures.decode(self._services.objects.get(key))
        except ObjectMissing:
            return None

    def _switch(self) -> None:
        """Group everyone by the new vectors: from here on the album has these."""
        services, album = self._services, self._album
        self._context.progress(0, 1, "cluster", part=_GROUP)
        vectors = Vectors(services, album, self._contract)
        vectors.keep(
            people_of(services, album), lambda photo_id: read_vectors(services, self._key(photo_id))
        )
        people.recluster(
            services,
            album,
            lambda done, total, step: self._context.progress(done, total, step, part=_GROUP),
        )

    def _follow(self) -> None:
        """Put the new vectors in place of the photos' own, and say so in the rows of faces."""
        total = counts.read(self._services, self._album.id).done
        done = 0
        with ThreadPoolExecutor(_CHUNK, thread_name_prefix="reembed") as pool:
            for entries in self._stale():
                self._context.progress(min(done, total), total, "vectors", part=_FOLLOW)
                done += len(entries)
                list(pool.map(self._replace, entries))

    def _replace(self, entry: _Entry) -> None:
        photo, faces = entry
        services = self._services
        own = keys.vectors(photo.user_id, photo.album_id, photo.id)
        services.objects.put(own, services.objects.get(self._key(photo.id)), "application/x-npy")
        writes = [
            Update(face.key(), {"contractId": self._contract}, expect=PRESENT) for face in faces
        ]
        try:
            for start in range(0, len(writes), TRANSACTION_LIMIT):
                services.table.transact(writes[start : start + TRANSACTION_LIMIT])
        except ConditionFailed:
            if services.photos.get(photo.key()) is None:  # deleted meanwhile
                services.objects.delete([own])

    def _key(self, photo_id: str) -> str:
        return keys.reembedded(self._album.user_id, self._album.id, self._contract, photo_id)
