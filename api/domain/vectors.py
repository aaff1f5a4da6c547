"""Vectors of an album's faces, many to an object, so that grouping need not open every photo's.

A pack holds the vectors of faces ``first`` to ``first + count`` in the order in which the log
brought them, as float16: an error of 1e-4 in a cosine, for half the bytes. Packs are a cache; what
is missing is read from the photos' own vectors, and kept. A face without a vector of this contract
has zeros.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from api.domain.models import Album
from api.domain.state import GONE, FaceTable, Floats, People
from api.objects import keys
from api.objects.store import ObjectMissing
from api.services import Services

DIMENSIONS = 512
_ROW_BYTES = 2 * DIMENSIONS
_MANY_PACKS = 8
_SPARSE = 16
"""A pack is read whole if at least one in so many of its faces is wanted."""

_Rows = NDArray[np.intp] | NDArray[np.int64]


@dataclass(frozen=True)
class _Pack:
    key: str
    first: int
    count: int

    @property
    def end(self) -> int:
        return self.first + self.count


def read_vectors(services: Services, key: str) -> Floats:
    """(n, 512) a photo's vectors, in the order of its faces, as they are kept under a key; none if
    they are not."""
    try:
        data = services.objects.get(key)
    except ObjectMissing:
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), dtype=np.float32)


class Vectors:
    """The vectors of an album of one contract."""

    def __init__(self, services: Services, album: Album, contract: str) -> None:
        self._services = services
        self._album = album
        self._contract = contract
        self._prefix = keys.packs(album.user_id, album.id, contract)

    def all(self, people: People) -> Floats:
        """(n, 512) of every face, L2-normalised; zeros where there is none."""
        n = len(people.table)
        found = np.zeros((n, DIMENSIONS), dtype=np.float32)
        covered = 0
        packs = self._packs()
        for pack in packs:
            if pack.first > covered or pack.end > n:
                break
            found[pack.first : pack.end] = self._whole(pack)
            covered = max(covered, pack.end)
        if covered < n:
            rest = np.arange(covered, n)
            found[rest] = self._of_photos(people, rest)
            self._write(covered, found[rest])
        if len(packs) > _MANY_PACKS:
            self._write(0, found)
            self._services.objects.delete(pack.key for pack in packs if pack.count < n)
        return _normalised(found)

    def of(self, people: People, faces: _Rows) -> Floats:
        """(k, 512) of some faces, L2-normalised; zeros where there is none."""
        found = np.zeros((len(faces), DIMENSIONS), dtype=np.float32)
        left = np.ones(len(faces), dtype=np.bool_)
        for pack in self._packs():
            inside = left & (faces >= pack.first) & (faces < pack.end)
            if inside.any():
                found[inside] = self._some(pack, faces[inside] - pack.first)
                left &= ~inside
        if left.any():
            found[left] = self._of_photos(people, faces[left])
        return _normalised(found)

    def add(self, table: FaceTable, first: int, vectors: Floats) -> None:
        """Keep the vectors of the faces from ``first`` on, which the log has just brought."""
        if len(vectors) and first + len(vectors) == len(table):
            self._write(first, vectors)

    def keep(self, people: People, read: Callable[[str], Floats]) -> None:
        """Keep the vectors of every face that the log has brought, as ``read`` gives them by photo,
        in the order of its faces; zeros for those that it has not."""
        table = people.table
        found = np.zeros((len(table), DIMENSIONS), dtype=np.float32)
        there = np.flatnonzero(people.cluster != GONE)
        order = there[np.argsort(table.photo[there], kind="stable")]
        for photo, some in groupby(order.tolist(), key=lambda face: int(table.photo[face])):
            vectors = read(table.photo_ids[photo].decode())
            for face in some:
                if table.row[face] < len(vectors):
                    found[face] = vectors[table.row[face]]
        self.add(table, 0, found)

    def of_new(self, photos: Iterable[str], rows: Iterable[int]) -> Floats:
        """(k, 512) of faces by their photo and their row there; zeros where there is none."""
        wanted = list(zip(photos, rows, strict=True))
        by_photo: dict[str, list[int]] = defaultdict(list)
        for k, (photo, _) in enumerate(wanted):
            by_photo[photo].append(k)
        found = np.zeros((len(wanted), DIMENSIONS), dtype=np.float32)
        for photo, places in by_photo.items():
            key = keys.vectors(self._album.user_id, self._album.id, photo)
            vectors = read_vectors(self._services, key)
            for k in places:
                if wanted[k][1] < len(vectors):
                    found[k] = vectors[wanted[k][1]]
        return found

    def _of_photos(self, people: People, faces: _Rows) -> Floats:
        """From the photos' own vectors, if they are of this contract."""
        table = people.table
        current = {
            face.id
            for face in self._services.faces.all(f"ALBUM#{self._album.id}")
            if face.contract_id == self._contract
        }
        chosen = [
            k
            for k, face in enumerate(faces.tolist())
            if people.cluster[face] != GONE and table.face_id(face) in current
        ]
        found = np.zeros((len(faces), DIMENSIONS), dtype=np.float32)
        there = [int(faces[k]) for k in chosen]
        found[chosen] = self.of_new(map(table.photo_of, there), table.row[there].tolist())
        return found

    def _packs(self) -> list[_Pack]:
        packs = []
        for info in self._services.objects.list_objects(self._prefix):
            first, count = info.key.removeprefix(self._prefix).removesuffix(".f16").split("-")
            packs.append(_Pack(info.key, int(first), int(count)))
        return sorted(packs, key=lambda pack: (pack.first, -pack.count))

    def _whole(self, pack: _Pack) -> Floats:
        try:
            data = self._services.objects.get(pack.key)
        except ObjectMissing:  # joined with others by someone else just now
            return np.zeros((pack.count, DIMENSIONS), dtype=np.float32)
        return _decoded(data)

    def _some(self, pack: _Pack, rows: _Rows) -> Floats:
        if len(rows) * _SPARSE >= pack.count:
            return np.asarray(self._whole(pack)[rows])
        ranges = [(int(row) * _ROW_BYTES, _ROW_BYTES) for row in rows]
        return _decoded(b"".join(self._services.objects.pieces(pack.key, ranges)))

    def _write(self, first: int, vectors: Floats) -> None:
        key = f"{self._prefix}{first:09d}-{len(vectors):09d}.f16"
        data = vectors.astype("<f2").tobytes()
        self._services.objects.put(key, data, "application/octet-stream")


def _decoded(data: bytes) -> Floats:
    return np.frombuffer(data, dtype="<f2").reshape(-1, DIMENSIONS).astype(np.float32)


def _normalised(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0), dtype=np.float32)


def has_vector(vectors: Floats) -> NDArray[np.bool_]:
    """(n,) is it more than zeros?"""
    return np.asarray(vectors.any(axis=1))
