"""Albums on disk: labels, duplicates, broken files, and what is never overwritten."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceflow_ml.data.synth.album import AlbumSpec, AlbumTruth, read_album, write_album
from faceflow_ml.errors import ConfigError, FaceFlowError, ImageError
from faceflow_ml.inference.images import load_image

SPEC = AlbumSpec(
    people=3, photos=6, seed=5, faces_per_photo=(1, 2), duplicates=1, near_duplicates=4, broken=4,
    width=240,
)  # fmt: skip
SMALL = AlbumSpec(people=1, photos=1, width=160)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AlbumTruth]:
    out = tmp_path_factory.mktemp("synth") / "an album"
    return out, write_album(out, SPEC)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_labels_describe_the_files(album: tuple[Path, AlbumTruth]) -> None:
    out, truth = album
    assert read_album(out) == truth
    names = {photo.path for photo in truth.photos}
    assert len(names) == len(truth.photos) == 11
    assert {p.name for p in out.iterdir()} == {*names, *truth.broken, "labels.json", "truth.csv"}
    for photo in truth.photos:
        image = load_image(out / photo.path)
        assert image.shape == (photo.height, photo.width, 3)
        assert photo.faces
        for face in photo.faces:
            x1, y1, x2, y2 = face.box
            assert 0 <= x1 < x2 <= photo.width
            assert 0 <= y1 < y2 <= photo.height
            assert len(face.landmarks) == 5
            assert all(x1 - 2 <= x <= x2 + 2 and y1 - 2 <= y <= y2 + 2 for x, y in face.landmarks)
    assert {f.identity for p in truth.photos for f in p.faces} == {
        "person-01",
        "person-02",
        "person-03",
    }


def test_truth_csv_has_a_row_a_face(album: tuple[Path, AlbumTruth]) -> None:
    out, truth = album
    with (out / "truth.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    expected = [(p.path, f.identity, f.box) for p in truth.photos for f in p.faces]
    assert [(row["photo"], row["identity"]) for row in rows] == [e[:2] for e in expected]
    boxes = np.array([[float(row[k]) for k in ("x1", "y1", "x2", "y2")] for row in rows])
    np.testing.assert_allclose(boxes, [e[2] for e in expected], atol=0.011)


def test_equal_seeds_give_equal_bytes(album: tuple[Path, AlbumTruth], tmp_path: Path) -> None:
    out, _ = album
    write_album(tmp_path / "again", SPEC)
    assert _digests(tmp_path / "again") == _digests(out)
    write_album(tmp_path / "other", AlbumSpec(people=3, photos=6, seed=6, width=240))
    assert _digests(tmp_path / "other")["IMG_0001.jpg"] != _digests(out)["IMG_0001.jpg"]


def _thumb(path: Path) -> np.ndarray:
    gray = cv2.cvtColor(load_image(path), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float64)
    small -= small.mean()
    return small / np.linalg.norm(small)


def test_duplicates_are_what_the_labels_say(album: tuple[Path, AlbumTruth]) -> None:
    out, truth = album
    by_path = {photo.path: photo for photo in truth.photos}
    kinds = [group.kind for group in truth.duplicates for _ in group.drop]
    assert sorted(kinds) == ["exact"] + ["near"] * 4
    for group in truth.duplicates:
        keep = (out / group.keep).read_bytes()
        for name in group.drop:
            assert (keep == (out / name).read_bytes()) == (group.kind == "exact")
            assert float((_thumb(out / group.keep) * _thumb(out / name)).sum()) > 0.93
            source, copy = by_path[group.keep], by_path[name]
            assert [f.identity for f in source.faces] == [f.identity for f in copy.faces]
            scale = copy.width / source.width if copy.width < 0.9 * source.width else 1.0
            for a, b in zip(source.faces, copy.faces, strict=True):
                shift = np.array(b.landmarks) - np.array(a.landmarks) * scale
                assert np.abs(shift).max() < 8
                assert np.ptp(shift, axis=0).max() < 0.05


def test_broken_files_are_refused_by_the_reader(album: tuple[Path, AlbumTruth]) -> None:
    out, truth = album
    assert len(truth.broken) == 4
    for name in truth.broken:
        with pytest.raises(ImageError):
            load_image(out / name)


def test_an_album_is_replaced_and_anything_else_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "album"
    write_album(out, SMALL)
    write_album(out, AlbumSpec(people=1, photos=2, width=160))
    assert len(read_album(out).photos) == 2
    (out / "mine.txt").write_text("keep me")
    with pytest.raises(ConfigError, match=r"mine\.txt"):
        write_album(out, SMALL)
    assert (out / "mine.txt").read_text() == "keep me"
    write_album(out, SMALL, force=True)
    assert not (out / "mine.txt").exists()

    other = tmp_path / "other"
    other.mkdir()
    (other / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(ConfigError, match="no album"):
        write_album(other, SMALL)
    assert [p.name for p in other.iterdir()] == ["holiday.jpg"]
    with pytest.raises(ConfigError, match="a file"):
        write_album(other / "holiday.jpg", SMALL)


def test_the_working_folder_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "work" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    with pytest.raises(ConfigError, match="working"):
        write_album(tmp_path / "work", SMALL, force=True)
    for indirect in ("..", ".", "../../work", "../inner/.."):
        with pytest.raises(ConfigError, match="working"):
            write_album(Path(indirect), SMALL, force=True)
    assert inner.is_dir()


def test_an_interrupted_run_leaves_the_old_album_and_no_litter(tmp_path: Path) -> None:
    out = tmp_path / "album"
    write_album(out, SMALL)
    before = _digests(out)

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_album(out, AlbumSpec(people=1, photos=3, width=160), stop)
    assert _digests(out) == before
    assert [p.name for p in tmp_path.iterdir()] == ["album"]


@pytest.mark.parametrize("back", [True, False])
def test_what_cannot_be_replaced_is_kept(
    back: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "album"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    rename = Path.rename

    def refuse(source: Path, target: Path) -> Path:
        if target == out and (not back or source.name != out.name):
            raise PermissionError(13, "Permission denied")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(FaceFlowError, match="Permission denied") as caught:
        write_album(out, SMALL, force=True)
    (kept,) = tmp_path.rglob("mine.txt")
    assert kept.read_text() == "mine"
    if back:
        assert [path.name for path in tmp_path.iterdir()] == ["album"]
    else:
        assert str(kept.parent) in str(caught.value)


def test_progress_counts_every_file(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    spec = AlbumSpec(people=1, photos=2, duplicates=1, broken=1, width=160)
    write_album(tmp_path / "a", spec, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"people": 0},
        {"photos": 0},
        {"faces_per_photo": (0, 2)},
        {"faces_per_photo": (3, 2)},
        {"broken": -1},
        {"seed": -1},
        {"width": 20},
    ],
)
def test_a_bad_spec_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        AlbumSpec(**wrong)  # type: ignore[arg-type]


def test_reading_what_is_no_album_fails(tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="labels"):
        read_album(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps({"version": 1}))
    with pytest.raises(FaceFlowError, match="labels"):
        read_album(tmp_path)
