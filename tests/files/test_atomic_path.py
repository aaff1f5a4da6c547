"""One file: the old content or the new, on the disk unless it can be made again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faceflow_ml.files import atomic_path, atomic_write_bytes


@pytest.mark.parametrize(("durable", "syncs"), [(True, 1), (False, 0)])
def test_what_can_be_made_again_is_not_waited_for(
    durable: bool, syncs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    atomic_write_bytes(tmp_path / "new" / "picture.jpg", b"pixels", durable=durable)
    assert (tmp_path / "new" / "picture.jpg").read_bytes() == b"pixels"
    assert len(synced) == syncs
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize("durable", [True, False])
def test_a_block_that_fails_leaves_what_there_was(durable: bool, tmp_path: Path) -> None:
    file = tmp_path / "picture.jpg"
    file.write_bytes(b"old")

    def fail() -> None:
        with atomic_path(file, durable=durable) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]
