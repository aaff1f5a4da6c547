"""What stopped processes leave in the object store of one machine."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from api.objects.file_store import FileObjectStore

KEY = "tenant/alice/01/2024/05/06/photo.jpg"


class Killed(BaseException):
    """In place of a kill: nothing handles it."""


@pytest.fixture
def store(tmp_path: Path) -> FileObjectStore:
    return FileObjectStore(tmp_path)


def _left(folder: Path) -> list[str]:
    return sorted(
        path.name for name in ("uploads", "temporary") for path in (folder / name).iterdir()
    )


@pytest.mark.parametrize("step", ["move", "remove"])
def test_parts_of_a_complete_upload_go_though_it_was_killed(
    store: FileObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    upload = store.start_multipart(KEY, "image/jpeg")
    part = store.put_part(KEY, upload, 1, b"bytes")
    replace = os.replace

    def kill(source: str | Path, target: str | Path) -> None:
        if Path(source).is_dir():
            raise Killed
        replace(source, target)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "move":
            patched.setattr(os, "replace", kill)
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            store.complete_multipart(KEY, upload, [part])
    assert store.get(KEY) == b"bytes"
    assert _left(tmp_path) == [upload]
    assert store.remove_stale(time.time() - 60) == 0
    assert _left(tmp_path) == [upload]
    assert store.remove_stale(time.time() + 60) == 1
    assert _left(tmp_path) == []
    assert store.get(KEY) == b"bytes"


def test_uploads_that_are_not_complete_wait(store: FileObjectStore, tmp_path: Path) -> None:
    store.put(KEY, b"old", "image/jpeg")
    long_ago = time.time() - 3600
    os.utime(tmp_path / "objects" / KEY, (long_ago, long_ago))
    replacing = store.start_multipart(KEY, "image/jpeg")
    part = store.put_part(KEY, replacing, 1, b"new")
    fresh = store.start_multipart("tenant/alice/01/2024/05/06/other.jpg", "image/jpeg")
    assert store.remove_stale(time.time() + 60) == 0
    assert _left(tmp_path) == sorted([replacing, fresh])
    store.complete_multipart(KEY, replacing, [part])
    assert store.get(KEY) == b"new"
    assert _left(tmp_path) == [fresh]
