"""Archives from elsewhere: unpacked inside the folder, or refused."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import unpack_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "weights").write_text(" ".join(map(str, range(5000))))
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as opened:
        opened.add(tmp_path / "weights", "weights")
    return tmp_path / "model.tar.gz"


def test_what_was_packed_comes_out(archive: Path, tmp_path: Path) -> None:
    unpack_archive(archive, tmp_path / "new" / "folder")
    assert (tmp_path / "new/folder/weights").read_bytes() == (tmp_path / "weights").read_bytes()


def test_an_archive_cannot_write_outside(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as opened:
        opened.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(FaceFlowError, match="cannot be unpacked"):
        unpack_archive(tmp_path / "model.tar.gz", tmp_path / "inside")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:3000],
        lambda data: data[:3000] + b"\xff" * 1000 + data[4000:],
        lambda data: b"no archive",
        lambda data: b"",
    ],
    ids=["cut short", "altered", "something else", "empty"],
)
def test_a_damaged_one_is_refused(
    archive: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(FaceFlowError, match="cannot be unpacked"):
        unpack_archive(archive, tmp_path / "new")


def test_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="nothing"):
        unpack_archive(tmp_path / "nothing.tar.gz", tmp_path / "new")
