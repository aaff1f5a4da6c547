"""The group job end to end, with an engine that finds coloured discs."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceflow_ml.album.group import GroupOptions, group_album
from faceflow_ml.album.schema import Groups, read_groups
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import PART_PREFIX


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


def people_of(groups: Groups) -> dict[str, set[str]]:
    """Photo paths by person."""
    found: dict[str, set[str]] = {}
    for photo in groups.photos:
        for face in photo.faces:
            if face.person is not None:
                found.setdefault(face.person, set()).add(photo.path)
    return found


def test_everyone_is_found_and_grouped(album: Path, tmp_path: Path, engine) -> None:
    result = group_album(album, tmp_path / "out", engine)
    groups = result.groups
    assert people_of(groups) == {
        "p001": {"a1.jpg", "a2.jpg", "a3.png", "trip/a4.jpg", "trip/copy of a2.jpg"},
        "p002": {"a1.jpg", "a3.png", "trip/a4.jpg", "trip/b 5.JPG"},
        "p003": {"a3.png", "trip/c6.jpg"},
    }
    assert [(p.id, p.faces, p.photos) for p in groups.people] == [
        ("p001", 5, 5), ("p002", 4, 4), ("p003", 2, 2),
    ]  # fmt: skip
    dot = [face for face in groups.photos[-2].faces if face.person is None]
    assert len(dot) == 1
    assert engine.seen == result.computed == 7  # the copy and the broken files cost nothing


def test_groups_json_is_the_documented_shape(album: Path, tmp_path: Path, engine) -> None:
    out = tmp_path / "out"
    group_album(album, out, engine)
    document = json.loads((out / "groups.json").read_text("utf-8"))
    assert list(document) == ["version", "models", "photos", "people", "duplicates"]
    assert document["version"] == 1
    assert document["models"] == {"detector": "d" * 16, "embedder": "e" * 16}
    photos = {photo["path"]: photo for photo in document["photos"]}
    assert list(photos) == sorted(photos)
    first = photos["a1.jpg"]
    assert set(first) == {"path", "width", "height", "sha256", "error", "faces"}
    assert (first["width"], first["height"], first["error"]) == (480, 320, None)
    face = first["faces"][0]
    assert set(face) == {"face_id", "box", "score", "landmarks", "person"}
    assert len(face["box"]) == 4
    assert np.shape(face["landmarks"]) == (5, 2)
    for name, reason in (("empty.jpg", "empty"), ("broken.jpg", "damaged")):
        broken = photos[name]
        assert reason in broken["error"]
        assert broken["width"] is None
        assert broken["faces"] == []
    for person in document["people"]:
        assert set(person) == {"id", "label", "faces", "photos", "cover"}
        cover = cv2.imread(str(out / person["cover"]))
        assert cover.shape[0] == cover.shape[1] > 50
    assert document["duplicates"] == [
        {"keep": "a2.jpg", "drop": ["trip/copy of a2.jpg"], "kind": "exact"}
    ]
    ids = {face["face_id"] for photo in document["photos"] for face in photo["faces"]}
    assert {path.stem for path in (out / "crops").iterdir()} == ids


def test_the_second_run_computes_nothing_and_changes_nothing(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    out = tmp_path / "out"
    group_album(album, out, new_engine())
    before = files_under(out)
    again = new_engine()
    assert group_album(album, out, again).computed == again.seen == 0
    assert files_under(out) == before


def test_an_added_photo_costs_one_photo(
    album: Path, tmp_path: Path, new_engine: Callable, photo_writer: Callable
) -> None:
    out = tmp_path / "out"
    before = people_of(group_album(album, out, new_engine()).groups)
    photo_writer(album / "a0.jpg", ["dot", "ann"], 70)
    engine = new_engine()
    after = people_of(group_album(album, out, engine).groups)
    assert engine.seen == 1
    assert after == {
        "p001": before["p001"] | {"a0.jpg"},
        "p002": before["p002"],
        "p003": before["p003"],
        "p004": {"a0.jpg", "trip/c6.jpg"},
    }


def test_people_keep_ids_and_labels_and_old_ids_are_not_given_again(
    album: Path, tmp_path: Path, engine, photo_writer: Callable
) -> None:
    out = tmp_path / "out"
    group_album(album, out, engine)
    document = json.loads((out / "groups.json").read_text("utf-8"))
    document["people"][1]["label"] = "Bob <b>"
    (out / "groups.json").write_text(json.dumps(document), "utf-8")
    for k in range(4):
        photo_writer(album / f"new{k}.jpg", ["bob"], 80 + k)
    groups = group_album(album, out, engine).groups
    assert [(p.id, p.label) for p in groups.people] == [
        ("p002", "Bob <b>"), ("p001", None), ("p003", None),
    ]  # fmt: skip

    (album / "trip/c6.jpg").unlink()  # Cem is left with one photo: no group
    assert "p003" not in people_of(group_album(album, out, engine).groups)
    for k in range(2):
        photo_writer(album / f"eve{k}.jpg", ["eve"], 90 + k)
    assert people_of(group_album(album, out, engine).groups)["p004"] == {"eve0.jpg", "eve1.jpg"}


def test_a_new_detector_redoes_the_work_and_people_keep_their_ids(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    out = tmp_path / "out"
    engine = new_engine()
    before = group_album(album, out, engine).groups
    moved = new_engine(detector=type(engine.detector)(contract_id="f" * 16))
    plain = moved._run

    def run(image: np.ndarray):
        result = plain(image)
        result.detections.boxes[:] += [3, -2, 4, 1]
        return result

    moved._run = run
    after = group_album(album, out, moved).groups
    assert moved.seen == 7
    assert people_of(after) == people_of(before)
    ids = [{f.face_id for p in g.photos for f in p.faces} for g in (before, after)]
    assert not ids[0] & ids[1]
    assert {path.stem for path in (out / "crops").iterdir()} == ids[1]  # no stale pictures


def test_renamed_and_moved_photos_cost_nothing(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    out = tmp_path / "out"
    group_album(album, out, new_engine())
    shutil.move(album / "a1.jpg", album / "trip/renamed.jpg")
    engine = new_engine()
    groups = group_album(album, out, engine).groups
    assert engine.seen == 0
    assert "trip/renamed.jpg" in people_of(groups)["p001"]


def test_a_changed_photo_is_noticed_even_with_its_old_time_stamp(
    album: Path, tmp_path: Path, new_engine: Callable, photo_writer: Callable
) -> None:
    out = tmp_path / "out"
    group_album(album, out, new_engine())
    status = (album / "a1.jpg").stat()
    photo_writer(album / "a1.jpg", ["eve"], 60)
    os.utime(album / "a1.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    engine = new_engine()
    groups = group_album(album, out, engine).groups
    assert engine.seen == 1
    assert len(groups.photos[0].faces) == 1


def test_damaged_cache_entries_and_lost_pictures_are_made_again(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    out = tmp_path / "out"
    group_album(album, out, new_engine())
    before = files_under(out)
    with sqlite3.connect(out / ".cache/faces.sqlite3") as connection:
        connection.execute("UPDATE records SET data = x'00' WHERE rowid % 3 = 0")
    connection.close()
    crops = sorted((out / "crops").iterdir())
    crops[0].unlink()
    crops[1].write_bytes(b"")
    (out / f"crops/{PART_PREFIX}0a1b_2c3.jpg").write_bytes(b"half")
    engine = new_engine()
    group_album(album, out, engine)
    assert engine.seen == 2
    assert files_under(out) == before


def test_a_run_that_fails_midway_loses_nothing(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    group_album(album, tmp_path / "straight", new_engine())
    out = tmp_path / "out"
    calls = 0

    def fail_later() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise FaceFlowError("the model fell over")

    with pytest.raises(FaceFlowError, match="fell over"):
        group_album(album, out, new_engine(on_batch=fail_later), GroupOptions(workers=1))
    assert not (out / "groups.json").exists()
    engine = new_engine()
    group_album(album, out, engine)
    assert 0 < engine.seen < 7
    assert files_under(out) == files_under(tmp_path / "straight")


def test_runs_with_more_workers_give_the_same_result(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    for workers in (1, 4):
        out = tmp_path / f"out{workers}"
        group_album(album, out, new_engine(), GroupOptions(workers=workers))
    assert files_under(tmp_path / "out1") == files_under(tmp_path / "out4")


def test_a_worker_has_one_thread_of_opencv(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    before, during = cv2.getNumThreads(), set()
    engine = new_engine(on_batch=lambda: during.add(cv2.getNumThreads()))
    group_album(album, tmp_path / "out", engine)
    assert during == {1}
    assert cv2.getNumThreads() == before


def test_two_runs_into_one_folder_wait_for_each_other(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    out = tmp_path / "out"
    waiting = threading.Event()
    first = new_engine(on_batch=lambda: waiting.wait(10))
    thread = threading.Thread(target=group_album, args=(album, out, first))
    thread.start()
    while not (out / ".cache/faces.sqlite3").exists():
        time.sleep(0.01)
    second = new_engine()
    group_album(album, out, second, on_notice=lambda _line: waiting.set())
    thread.join(10)
    assert waiting.is_set()
    assert (first.seen, second.seen) == (7, 0)


def test_progress_counts_every_photo(album: Path, tmp_path: Path, engine) -> None:
    calls: list[tuple[int, int]] = []
    group_album(
        album, tmp_path / "out", engine, on_progress=lambda done, total: calls.append((done, total))
    )
    assert calls[-1] == (10, 10)
    assert calls == sorted(calls)


def test_an_empty_folder_gives_an_empty_result(tmp_path: Path, engine) -> None:
    (tmp_path / "none").mkdir()
    result = group_album(tmp_path / "none", tmp_path / "out", engine)
    assert result.groups.photos == result.groups.people == ()
    assert read_groups(tmp_path / "out/groups.json") == result.groups
    assert "No photos" in result.index_html.read_text("utf-8")
    assert list((tmp_path / "out/crops").iterdir()) == []


def test_an_earlier_result_that_is_damaged_is_left_aside(
    album: Path, tmp_path: Path, engine
) -> None:
    out = tmp_path / "out"
    expected = group_album(album, out, engine).groups
    (out / "groups.json").write_text('{"version": 1, "photos": [')
    notices: list[str] = []
    assert group_album(album, out, engine, on_notice=notices.append).groups == expected
    assert "numbered anew" in notices[0]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX file names may be no text")
def test_a_file_name_that_is_no_text_survives_the_round_trip(
    album: Path, tmp_path: Path, new_engine: Callable
) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (album / "a1.jpg").rename(album / name)
    out = tmp_path / "out"
    for _ in range(2):
        groups = group_album(album, out, new_engine()).groups
        assert name in {photo.path for photo in groups.photos}
        assert read_groups(out / "groups.json") == groups
    assert "caf%E9.jpg" in (out / "index.html").read_text("utf-8")


def test_large_photos_get_boxes_in_their_own_pixels_and_a_thumbnail(
    tmp_path: Path, engine, photo_writer: Callable
) -> None:
    folder = tmp_path / "photos"
    path = photo_writer(folder / "a.jpg", ["ann"], 5)
    image = cv2.imread(str(path))
    cv2.imwrite(str(folder / "big.jpg"), cv2.resize(image, None, fx=4, fy=4))
    options = GroupOptions(max_side=960)
    small, big = group_album(folder, tmp_path / "out", engine, options).groups.photos
    assert (big.width, big.height) == (1920, 1280)
    np.testing.assert_allclose(big.faces[0].box, np.multiply(small.faces[0].box, 4), atol=12)
    thumbs = list((tmp_path / "out/thumbs").iterdir())
    assert len(thumbs) == 1
    assert cv2.imread(str(thumbs[0])).shape[:2] == (533, 800)


@pytest.mark.parametrize(
    "options",
    [{"score_threshold": 2}, {"match_threshold": -2}, {"max_side": 0}, {"workers": 0}],
)
def test_options_out_of_range(options: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        GroupOptions(**options)
