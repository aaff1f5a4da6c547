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


def test_folders_come_out(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "folders.tar", "w") as opened:
        opened.addfile(_entry("empty", tarfile.DIRTYPE))
        opened.add(archive, "models/first/model")
    unpack_archive(tmp_path / "folders.tar", tmp_path / "new")
    assert (tmp_path / "new/empty").is_dir()
    assert (tmp_path / "new/models/first/model").read_bytes() == archive.read_bytes()


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize(
    "entries",
    [
        [_entry("../outside")],
        [_entry("folder/../../outside")],
        [_entry("/tmp/../outside")],
        [_entry("link", tarfile.SYMTYPE, ".."), _entry("link/outside")],
        [_entry("link", tarfile.LNKTYPE, "../weights")],
        [_entry("pipe", tarfile.FIFOTYPE)],
    ],
    ids=["parent", "parent of a folder", "root", "link", "hard link", "pipe"],
)
def test_an_archive_cannot_write_outside(entries: list[tarfile.TarInfo], tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("not to be read")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as opened:
        for entry in entries:
            opened.addfile(entry)
    with pytest.raises(FaceFlowError, match="cannot be unpacked"):
        unpack_archive(tmp_path / "model.tar.gz", tmp_path / "inside")
    assert not (tmp_path / "outside").exists()
    assert not any((tmp_path / "inside").rglob("*"))


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
