"""The output folder of the job: what is its own, what is others', and where it may be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from faceflow_ml.album.group import GroupOptions, group_album
from faceflow_ml.album.output import check_space
from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.files import PART_PREFIX


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


def test_results_without_faces_and_of_killed_runs_are_no_photos(
    tmp_path: Path, photo_writer: Callable, new_engine: Callable
) -> None:
    folder = tmp_path / "photos"
    photo_writer(folder / "nobody.jpg", [], 1)
    image = cv2.resize(cv2.imread(str(folder / "nobody.jpg")), (1500, 1000))
    cv2.imwrite(str(folder / "nobody.jpg"), image)
    group_album(folder, folder / "faceless", new_engine())
    photo_writer(folder / "ann.jpg", ["ann"], 2)

    def fail() -> None:
        if any((folder / "killed/crops").iterdir()):
            raise FaceFlowError("the model fell over")

    photo_writer(folder / "bob.jpg", ["bob"], 3)
    for number in range(4):  # more than a worker takes at a time
        photo_writer(folder / f"cem{number}.jpg", ["cem"], number)
    with pytest.raises(FaceFlowError, match="fell over"):
        group_album(folder, folder / "killed", new_engine(on_batch=fail), GroupOptions(workers=1))
    assert any((folder / "faceless/thumbs").iterdir())
    assert any((folder / "killed/crops").iterdir())
    photos = group_album(folder, tmp_path / "out", new_engine()).groups.photos
    assert all("/" not in photo.path for photo in photos)
    assert len(photos) == 7


def test_the_output_may_be_inside_the_folder_and_is_not_scanned(
    album: Path, new_engine: Callable
) -> None:
    for _ in range(2):
        groups = group_album(album, album / "people", new_engine()).groups
        assert len(groups.photos) == 10


def test_bad_folders_are_bad_usage(album: Path, tmp_path: Path, engine) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        group_album(tmp_path / "none", tmp_path / "out", engine)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="itself"):
        group_album(album, album, engine)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="is a file"):
        group_album(album, tmp_path / "file", engine)


def test_photos_where_the_result_goes_are_bad_usage(album: Path, tmp_path: Path, engine) -> None:
    for folder in (tmp_path / "crops", tmp_path / "thumbs/trip"):
        folder.parent.mkdir(exist_ok=True)
        photo = folder / "0123456789abcdef.jpg"
        shutil.copytree(album, folder)
        (folder / "a1.jpg").rename(photo)
        with pytest.raises(ConfigError, match="where the result goes"):
            group_album(folder, tmp_path, engine)
        assert photo.exists()
        assert not (tmp_path / "groups.json").exists()


def test_what_others_keep_in_the_output_stays(album: Path, tmp_path: Path, engine) -> None:
    out = tmp_path / "out"
    group_album(album, out, engine)
    own = list((out / "crops").iterdir())
    others = [
        out / ".tmp-notes.txt",
        out / f"{PART_PREFIX}notes.txt",
        out / f"{PART_PREFIX}folder01/a.txt",
        out / "crops/0123456789abcdef.jpg",
        out / "thumbs/fedcba9876543210.jpg",
        out / "crops/00000000000000aa.jpg/a.txt",
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(album / "a1.jpg", path)
    for photo in album.iterdir():
        if photo.suffix == ".jpg":
            photo.unlink()
    group_album(album, out, engine)
    assert all(path.exists() for path in others)
    assert not all(path.exists() for path in own)


def test_stale_pictures_of_older_versions_go_too(
    tmp_path: Path, photo_writer: Callable, new_engine: Callable
) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    for name in ("ann", "bob"):
        photo_writer(folder / f"{name}.jpg", [name], 1)
    group_album(folder, out, new_engine())
    for crop in (out / "crops").iterdir():  # as they were before pictures were signed
        cv2.imwrite(str(crop), cv2.imread(str(crop)))
    (folder / "bob.jpg").unlink()
    groups = group_album(folder, out, new_engine()).groups
    assert [crop.stem for crop in (out / "crops").iterdir()] == [groups.photos[0].faces[0].face_id]


def test_an_output_that_cannot_be_written_is_said_before_the_work(album: Path, engine) -> None:
    with pytest.raises(FaceFlowError, match="cannot write to the output folder"):
        group_album(album, "/proc/nothing/out", engine)
    assert engine.seen == 0


def test_too_little_space_is_said_before_the_work(tmp_path: Path) -> None:
    check_space(tmp_path, 1)
    with pytest.raises(FaceFlowError, match=r"MB free; the results need about \d+\.\d MB"):
        check_space(tmp_path, 10**12)
