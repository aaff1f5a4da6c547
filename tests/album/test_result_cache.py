"""The cache: nothing stored is lost, nothing damaged is believed."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from faceflow_ml.album.cache import FileStamp, ResultCache, settings_key
from faceflow_ml.album.records import PhotoRecord, face_id, pack, unpack
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.types import Detections


def make_record(seed: int, faces: int = 2) -> PhotoRecord:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(faces, 512)).astype(np.float32)
    return PhotoRecord(
        sha256=f"{seed:064x}",
        width=640,
        height=480,
        format="JPEG",
        size_bytes=1234,
        detections=Detections(
            rng.uniform(0, 400, (faces, 4)), np.full(faces, 0.9), rng.uniform(0, 400, (faces, 5, 2))
        ),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        quality=rng.uniform(size=faces).astype(np.float32),
        phash=np.uint64(2**64 - 1 - seed),
        thumb=rng.integers(0, 255, (128, 128), dtype=np.uint8),
    )


def assert_same(first: PhotoRecord, second: PhotoRecord) -> None:
    assert pack(first) == pack(second)


@pytest.mark.parametrize("faces", [0, 1, 7])
def test_a_record_comes_back_as_it_was(tmp_path: Path, faces: int) -> None:
    record = make_record(1, faces)
    with ResultCache(tmp_path / "c/cache.sqlite3", "s") as cache:
        cache.put(record)
    with ResultCache(tmp_path / "c/cache.sqlite3", "s") as cache:
        found = cache.get(record.sha256)
        assert found is not None
        assert_same(found, record)
        assert cache.known() == {record.sha256}
        assert cache.get("0" * 64) is None


def test_other_settings_share_nothing(tmp_path: Path) -> None:
    record = make_record(1)
    first, second = (settings_key({"detector": "d", "min": value}) for value in (0.5, 0.6))
    assert first == settings_key({"min": 0.5, "detector": "d"})
    with ResultCache(tmp_path / "c.sqlite3", first) as cache:
        cache.put(record)
    with ResultCache(tmp_path / "c.sqlite3", second) as cache:
        assert cache.known() == set()
        assert cache.get(record.sha256) is None


def test_every_truncation_and_flipped_bytes_of_a_record_are_noticed() -> None:
    data = pack(make_record(3, 1))
    for cut in range(0, len(data), 701):
        with pytest.raises(ValueError, match="damaged"):
            unpack("0" * 64, data[:cut])
    middle = bytearray(data)
    middle[len(data) // 2] ^= 0xFF
    with pytest.raises(ValueError, match="damaged"):
        unpack("0" * 64, bytes(middle))


def test_a_damaged_record_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite3"
    good, bad = make_record(1), make_record(2)
    with ResultCache(path, "s") as cache:
        cache.put(good)
        cache.put(bad)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE records SET data = x'00ff' WHERE sha256 = ?", (bad.sha256,))
    connection.close()
    with ResultCache(path, "s") as cache:
        assert cache.get(bad.sha256) is None
        assert cache.known() == {good.sha256}


@pytest.mark.parametrize(
    "damage", [b"not a database at all" * 400, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_damaged_file_is_put_aside(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "c.sqlite3"
    path.write_bytes(damage)
    with ResultCache(path, "s") as cache:
        cache.put(make_record(1))
        assert len(cache.known()) == 1
    assert (tmp_path / "c.sqlite3.damaged").read_bytes() == damage


def test_a_cache_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite3").mkdir()
    with pytest.raises(FaceFlowError, match=r"c\.sqlite3 cannot be used"):
        ResultCache(tmp_path / "c.sqlite3", "s")


def test_file_hashes_are_kept_once_the_stamp_has_settled(tmp_path: Path) -> None:
    now = time.time_ns()
    settled, fresh = FileStamp(5, now - 10**10), FileStamp(5, now)
    name = os.fsencode("caf\udce9.jpg")
    with ResultCache(tmp_path / "c.sqlite3", "s") as cache:
        cache.remember_files({name: (settled, "a" * 64), b"new.jpg": (fresh, "b" * 64)})
        assert cache.file_hashes() == {name: (settled, "a" * 64)}


def _store(path: Path, start: int) -> None:
    with ResultCache(path, "s") as cache:
        for seed in range(start, start + 20):
            cache.put(make_record(seed))


def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite3"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_store, args=(path, start)) for start in (0, 10, 100)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    with ResultCache(path, "s") as cache:
        assert len(cache.known()) == 50
        assert all(cache.get(sha256) is not None for sha256 in cache.known())


def test_face_ids_depend_on_content_and_place_alone() -> None:
    box = np.array([1.2, 2.4, 30.0, 40.0], np.float32)
    assert face_id("a" * 64, box) == face_id("a" * 64, box + 0.05)
    assert len({face_id(sha, b) for sha in ("a" * 64, "b" * 64) for b in (box, box + 3)}) == 4
    record = make_record(1)
    boxes = np.repeat(record.detections.boxes[:1], 2, axis=0)
    same_place = PhotoRecord(
        **{
            **vars(record),
            "detections": Detections(boxes, record.detections.scores, record.detections.landmarks),
        }
    )
    assert len(set(same_place.face_ids)) == 2
    assert same_place.face_ids[0] == record.face_ids[0]
