"""Fills an album with any number of fictional photos in seconds a thousand, without any pixels.

``python -m tests.load.seed --data DIR --photos 100000 --people 500``: rows of photos and faces are
written through the repositories, and one clustering run through the log, as ingestion would; so
that what the album then answers is what an album of that size answers. Only the first photos, and
every person's cover, have a picture.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.domain import albums, counts, edits, quota
from api.domain.centers import keep_centers
from api.domain.decisions import Run
from api.domain.hash_index import HashIndex
from api.domain.ingest_rows import Duplicate
from api.domain.ledger import append_run, people_of
from api.domain.models import Album, Exif, Face, FaceBox, Photo, PhotoStatus
from api.domain.rows import best_first
from api.domain.runs import NOBODY, MachineRun
from api.domain.state import People, as_ids
from api.domain.vectors import DIMENSIONS, Vectors
from api.home import open_services
from api.ids import derived_id
from api.jwt_tokens import subject_of
from api.objects import keys
from api.objects.store import NewObject
from api.repositories.sqlite_table import SqliteTable
from api.repositories.table import Put, Update
from api.services import Services
from api.settings import Settings
from api.workflow import pictures
from api.workflow.steps import Step

WIDTH, HEIGHT = 4032, 3024
_BATCH = 2000
_START = datetime(2024, 1, 1, tzinfo=UTC)
_FACES = ([0, 1, 2, 3], [0.3, 0.45, 0.2, 0.05])
"""Faces in a photo, one on average, and how often."""
_NOISE = 0.6
_SHARE_UNASSIGNED = 0.02
_SHARE_DUPLICATES = 0.03


@dataclass(frozen=True)
class Seeded:
    """An album that was filled, and the seconds that its parts took.

    rows: of photos and faces. run: of the clustering run's entry and all the rows it changes.
    """

    album_id: str
    photos: int
    faces: int
    people: int
    rows: float
    run: float


@dataclass(frozen=True, eq=False)
class _Plan:
    """Who is in which photo: (f,) photo, person (or NOBODY) and row of each face."""

    photo: NDArray[np.int64]
    person: NDArray[np.int64]
    row: NDArray[np.int64]
    quality: NDArray[np.float32]


def seed(
    services: Services,
    *,
    photos: int,
    people: int,
    user: str = "load",
    named: int = 50,
    thumbnails: int = 600,
) -> Seeded:
    """Make an album of ``photos`` photos and ``people`` people, the first ``named`` with a name."""
    rng = np.random.default_rng(photos)
    user_id = subject_of(user)
    name = f"{photos:,} photos"
    album = albums.create(services, user_id, name, keep_originals=True, linked=False)
    plan = _plan(rng, photos, people)
    started = time.perf_counter()
    _write_rows(services, album, plan, photos, rng)
    rows = time.perf_counter() - started

    seen = people_of(services, album)
    contract = services.engine.contract_id
    started = time.perf_counter()
    outcome = append_run(
        services,
        album,
        seen,
        _run(album, plan, people),
        Run(contract=contract, full=True),
        full=True,
    )
    run = time.perf_counter() - started
    if outcome is None:
        raise RuntimeError("somebody else writes to the album")
    vectors = _vectors(rng, plan, people)
    Vectors(services, album, contract).add(outcome.people.table, 0, vectors)
    keep_centers(services, album, outcome.people, vectors)
    _draw(services, album, outcome.people, min(thumbnails, photos))
    # In a small album not everybody is in a photo.
    present = [number for number in np.unique(plan.person).tolist() if number != NOBODY]
    for number in present[:named]:
        edits.label(services, album, _cluster(album, number), f"Person {number:03d}")
    return Seeded(album.id, photos, len(plan.photo), people, rows, run)


def _plan(rng: np.random.Generator, photos: int, people: int) -> _Plan:
    per_photo = rng.choice(_FACES[0], photos, p=_FACES[1])
    photo = np.repeat(np.arange(photos), per_photo)
    row = np.concatenate([np.arange(count) for count in per_photo])
    # Some are in many photos. Neighbouring numbers, so that nobody is twice in one.
    first = (people * rng.beta(0.7, 1.2, photos)).astype(np.int64)
    person = (first[photo] + row) % people
    person[rng.random(len(photo)) < _SHARE_UNASSIGNED] = NOBODY
    return _Plan(photo, person, row, rng.uniform(0.4, 1.0, len(photo)).astype(np.float32))


def _cluster(album: Album, number: int) -> str:
    return derived_id("seed-cluster", album.id, str(number))


def _photo_id(album: Album, number: int) -> str:
    # Digits sort as numbers do.
    return f"0{number:09d}{album.id[-16:]}"


def _face_id(album: Album, number: int) -> str:
    return derived_id("seed-face", album.id, str(number))


def _write_rows(
    services: Services, album: Album, plan: _Plan, photos: int, rng: np.random.Generator
) -> None:
    hashes = rng.integers(0, 2**63, photos, dtype=np.uint64)
    starts = np.searchsorted(plan.photo, np.arange(photos + 1))
    copies = rng.random(photos) < _SHARE_DUPLICATES
    copies[0] = False
    contract = services.engine.contract_id

    def photo_rows() -> Iterator[Put]:
        for number in range(photos):
            faces = [
                _face(album, plan, k, contract)
                for k in range(int(starts[number]), int(starts[number + 1]))
            ]
            duplicate_of = _photo_id(album, number - 1) if copies[number] else None
            photo = _photo(album, number, faces, f"{int(hashes[number]):016x}", duplicate_of)
            yield services.photos.put(photo)
            if duplicate_of is not None:
                row = Duplicate(
                    album_id=album.id, keeper=duplicate_of, photo_id=photo.id, kind="near"
                )
                yield Put(row.key(), row.to_item())

    # By their ids, as the table sorts them: many times faster than all over it.
    order = sorted(range(len(plan.photo)), key=lambda k: _face_id(album, k))
    face_rows = (services.faces.put(_face(album, plan, k, contract)) for k in order)
    waiting = chain(photo_rows(), face_rows)
    while some := list(islice(waiting, _BATCH)):
        services.table.write_many(some)
    texts = {_photo_id(album, k): f"{int(value):016x}" for k, value in enumerate(hashes)}
    HashIndex(services, album.id).add(texts)
    numbers = {"done": photos, "duplicates": int(copies.sum()), "faces": len(plan.photo)}
    services.table.write_many(counts.increase(album.id, numbers))
    size = photos * _photo(album, 0, [], "0", None).size
    services.table.write_many(
        [
            Update(quota.Usage.key_of(album.user_id, part), ids, {"photos": photos, "bytes": size})
            for part, ids in (
                ("", {"userId": album.user_id}),
                (album.id, {"userId": album.user_id, "albumId": album.id}),
            )
        ]
    )


def _photo(
    album: Album, number: int, faces: list[Face], phash: str, duplicate_of: str | None
) -> Photo:
    taken = _START + timedelta(minutes=number)
    created = taken.isoformat(timespec="microseconds").replace("+00:00", "Z")
    photo_id = _photo_id(album, number)
    return Photo(
        id=photo_id,
        album_id=album.id,
        user_id=album.user_id,
        status=PhotoStatus.DONE,
        filename=f"IMG_{number:06d}.jpg",
        content_type="image/jpeg",
        size=3_000_000,
        created_at=created,
        object_key=keys.original(album.user_id, album.id, created, photo_id, "jpg"),
        sha256=f"{number:064x}",
        phash=phash,
        width=WIDTH,
        height=HEIGHT,
        exif=Exif(taken_at=created[:19], camera="Fictional 1"),
        blur=_BLUR,
        sharpness=300.0,
        duplicate_of=duplicate_of,
        duplicate_kind=None if duplicate_of is None else "near",
        faces=tuple(FaceBox(id=face.id, box=face.box, score=face.score) for face in faces),
        step=Step.EMBEDDED,
    )


def _face(album: Album, plan: _Plan, number: int, contract: str) -> Face:
    left = 300.0 + 900.0 * int(plan.row[number])
    box = (left, 600.0, left + 500.0, 1200.0)
    points = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    return Face(
        id=_face_id(album, number),
        album_id=album.id,
        user_id=album.user_id,
        photo_id=_photo_id(album, int(plan.photo[number])),
        created_at=_START.isoformat(),
        box=box,
        score=0.95,
        landmarks=tuple((left + 500.0 * x, 600.0 + 600.0 * y) for x, y in points),
        quality=float(plan.quality[number]),
        row=int(plan.row[number]),
        contract_id=contract,
    )


def _run(album: Album, plan: _Plan, people: int) -> MachineRun:
    n = len(plan.photo)
    used = np.unique(plan.person[plan.person >= 0])
    place = np.full(people + 1, NOBODY, dtype=np.int32)
    place[used] = np.arange(len(used))
    moved = np.flatnonzero(plan.person >= 0).astype(np.int32)
    rng = np.random.default_rng(n)
    return MachineRun(
        new_faces=as_ids(_face_id(album, k) for k in range(n)),
        new_photos=as_ids(_photo_id(album, k) for k in plan.photo.tolist()),
        new_quality=plan.quality,
        new_rows=plan.row.astype(np.int32),
        names=as_ids(_cluster(album, k) for k in used.tolist()),
        made=np.ones(len(used), dtype=np.bool_),
        faces=moved,
        before=np.full(len(moved), NOBODY, dtype=np.int32),
        after=place[plan.person[moved]],
        confidence=rng.uniform(0.7, 1.0, len(moved)).astype(np.float32),
    )


def _vectors(rng: np.random.Generator, plan: _Plan, people: int) -> NDArray[np.float32]:
    """(f, 512) around a center for each person; of nobody, anywhere."""
    centers = rng.normal(size=(people, DIMENSIONS)).astype(np.float32)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    vectors = rng.standard_normal((len(plan.photo), DIMENSIONS), dtype=np.float32)
    vectors *= _NOISE / np.sqrt(DIMENSIONS)
    known = plan.person >= 0
    vectors[known] += np.sqrt(1 - _NOISE**2) * centers[plan.person[known]]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _picture(width: int, height: int, hue: int) -> bytes:
    """A JPEG of about the size in bytes that real ones of these pixels have."""
    rng = np.random.default_rng(hue)
    small = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    pixels = np.repeat(np.repeat(small, 8, axis=0), 8, axis=1)
    return pictures.thumbnail_jpeg(pixels)


_BLUR = pictures.blur_url(np.full((48, 64, 3), 127, dtype=np.uint8))


def _draw(services: Services, album: Album, people: People, thumbnails: int) -> None:
    """Pictures of the first photos, and of the person of each cluster."""
    thumbs = [_picture(512, 384, hue) for hue in range(8)]
    faces = [_picture(256, 256, hue) for hue in range(8)]
    new = [
        NewObject(
            keys.thumbnail(album.user_id, album.id, _photo_id(album, number)),
            thumbs[number % 8],
            "image/jpeg",
        )
        for number in range(thumbnails)
    ]
    people.index_members()
    for code in people.alive():
        for face in best_first(people, people.members(code))[:4].tolist():
            key = keys.crop(album.user_id, album.id, people.table.face_id(face))
            new.append(NewObject(key, faces[code % 8], "image/jpeg"))
    services.objects.put_many(new)


def main() -> None:
    """Fill an album."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the application")
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--user", default="load", help="the name that they sign in with")
    options = parser.parse_args()
    services = open_services(Settings(data=options.data))
    found = seed(services, photos=options.photos, people=options.people, user=options.user)
    assert isinstance(services.table, SqliteTable)
    services.table.close()
    sys.stdout.write(json.dumps(vars(found)) + "\n")


if __name__ == "__main__":
    main()
