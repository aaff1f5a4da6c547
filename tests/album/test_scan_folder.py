"""Finding photos in folders of every kind."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pytest

from faceflow_ml.album.scan import RESULT_MARKER, scan_folder
from faceflow_ml.errors import ConfigError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_finds_images_by_suffix_in_any_case_sorted_with_posix_paths(tmp_path: Path) -> None:
    for name in (
        "z.jpg",
        "B.HEIC",
        "sub/a b.JPEG",
        "sub/ünï/日本.webp",
        "notes.txt",
        "jpg",
        "x.mp4",
    ):
        touch(tmp_path / name)
    assert scan_folder(tmp_path) == ["B.HEIC", "sub/a b.JPEG", "sub/ünï/日本.webp", "z.jpg"]


def test_passes_over_hidden_entries_the_output_and_earlier_results(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    touch(tmp_path / ".b.jpg")
    touch(tmp_path / ".cache/c.jpg")
    touch(tmp_path / "out/crops/d.jpg")
    for name in ("groups.json", "index.html", "crops/e.jpg"):
        touch(tmp_path / "earlier" / name)
    for name in (RESULT_MARKER, "crops/g.jpg", "thumbs/h.jpg", "raw/own.jpg"):
        touch(tmp_path / "killed" / name)
    touch(tmp_path / "crops/f.jpg")  # a folder that only has the same name
    assert scan_folder(tmp_path, skip=[tmp_path / "out"]) == [
        "a.jpg",
        "crops/f.jpg",
        "killed/raw/own.jpg",
    ]


def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    touch(folder / "z/real.jpg")
    outside = touch(tmp_path / "elsewhere/far.jpg")
    (folder / "a_link").symlink_to(folder / "z")
    (folder / "z/loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "far").symlink_to(outside.parent)
    # A link to a listed photo would look like a copy that can be deleted.
    (folder / "again.jpg").symlink_to(folder / "z/real.jpg")
    (folder / "one.jpg").symlink_to(touch(tmp_path / "other.jpg"))
    (folder / "two.jpg").symlink_to(tmp_path / "other.jpg")
    assert scan_folder(folder) == ["far/far.jpg", "one.jpg", "z/real.jpg"]


def test_a_broken_link_is_listed_so_that_it_is_reported(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "gone_folder").symlink_to(tmp_path / "nowhere")
    assert scan_folder(tmp_path) == ["gone.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_pipe_is_reported_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    reports: list[tuple[str, str]] = []
    assert scan_folder(tmp_path, on_unreadable=lambda *report: reports.append(report)) == []
    assert reports == [("pipe.jpg", "not a regular file")]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder"
)
def test_a_closed_folder_is_reported(tmp_path: Path) -> None:
    touch(tmp_path / "closed/a.jpg")
    (tmp_path / "closed").chmod(0)
    reports: list[tuple[str, str]] = []
    try:
        found = scan_folder(tmp_path, on_unreadable=lambda *report: reports.append(report))
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert found == []
    assert reports == [("closed", "Permission denied")]


def test_deep_folders_need_no_deep_stack(tmp_path: Path) -> None:
    deep = touch(tmp_path.joinpath(*["d"] * 300, "a.jpg"))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        found = scan_folder(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert found == [deep.relative_to(tmp_path).as_posix()]


def test_no_such_folder_and_a_file_are_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        scan_folder(tmp_path / "none")
    with pytest.raises(ConfigError, match="not a folder"):
        scan_folder(touch(tmp_path / "a.jpg"))


@pytest.mark.skipif(os.name != "posix", reason="only POSIX file names may be no text")
def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    touch(tmp_path / name)
    assert scan_folder(tmp_path) == [name]
