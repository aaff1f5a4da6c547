"""Grouped albums against their labels: both forms of labels, missed and false faces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceflow_ml.album.schema import Face, Groups, Models, Photo, write_groups
from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.evaluation.album_truth import (
    BoxTruth,
    MainFaceTruth,
    TrueFaces,
    read_album_truth,
)
from faceflow_ml.evaluation.run_clustering import run_clustering, worst_people

Box = tuple[float, float, float, float]
LEFT: Box = (0, 0, 40, 40)
MIDDLE: Box = (30, 30, 70, 70)
RIGHT: Box = (60, 60, 100, 100)


def photo(path: str, *faces: tuple[Box, str | None]) -> Photo:
    points = ((0.0, 0.0),) * 5
    found = tuple(
        Face(face_id=f"{path}{i}", box=box, score=0.9, landmarks=points, person=person)
        for i, (box, person) in enumerate(faces)
    )
    return Photo(path=path, width=100, height=100, sha256="0", error=None, faces=found)


def groups(*photos: Photo) -> Groups:
    models = Models(detector="0123456789abcdef", embedder="fedcba9876543210")
    return Groups(models=models, photos=photos, people=(), duplicates=())


def test_main_faces() -> None:
    album = groups(
        photo("a.jpg", (LEFT, "p002"), (MIDDLE, "p001")),
        photo("b.jpg", (MIDDLE, "p001")),
        photo("c.jpg", (MIDDLE, "p001")),
        photo("d.jpg"),
        photo("unlabelled.jpg", (MIDDLE, "p001")),
    )
    truth = MainFaceTruth({"a.jpg": "Ada", "b.jpg": "Ada", "c.jpg": "Bo", "d.jpg": "Bo"})
    metrics = run_clustering(album, truth).metrics
    assert (metrics.photos, metrics.labelled_faces, metrics.missed_faces) == (4, 4, 1)
    assert metrics.found_faces == 4
    assert metrics.false_detections is None
    # {Ada, Ada, Bo} and the missed Bo alone.
    assert metrics.scores.bcubed.precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert metrics.scores.bcubed.recall == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)
    assert metrics.pairwise_f1 == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))
    assert metrics.scores.edits.corrections == 1  # Bo leaves Ada's group, for the other Bo


def test_boxes() -> None:
    nearly_left: Box = (4, 4, 44, 44)  # IoU with LEFT 36 * 36 / (3200 - 1296) = 0.68
    album = groups(
        photo("a.jpg", (nearly_left, "p001"), (RIGHT, "p002")),
        photo("b.jpg", (LEFT, "p001"), (MIDDLE, None)),
    )
    truth = BoxTruth(
        {
            "a.jpg": TrueFaces(np.array([LEFT, MIDDLE]), ("Ada", "Bo")),
            "b.jpg": TrueFaces(np.array([LEFT, MIDDLE]), ("Ada", "Bo")),
        }
    )
    run = run_clustering(album, truth)
    assert [face.found.person if face.found else "missed" for face in run.faces] == [
        *("p001", "missed", "p001", None)
    ]
    metrics = run.metrics
    assert (metrics.labelled_faces, metrics.missed_faces, metrics.false_detections) == (4, 1, 1)
    assert metrics.scores.bcubed.precision == 1.0
    assert metrics.scores.bcubed.recall == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)
    assert [name for name, _ in worst_people(run, 5)] == ["Bo"]


def test_each_found_face_is_matched_once_so_that_most_overlap() -> None:
    # Both found faces overlap the first label more than the second.
    first: Box = (0, 0, 10, 10)
    second: Box = (5, 0, 15, 10)
    found_between: Box = (2, 0, 12, 10)
    album = groups(photo("a.jpg", (first, "p001"), (found_between, "p002")))
    truth = BoxTruth({"a.jpg": TrueFaces(np.array([second, first]), ("Bo", "Ada"))})
    run = run_clustering(album, truth)
    people = {face.identity: face.found.person if face.found else None for face in run.faces}
    assert people == {"Ada": "p001", "Bo": "p002"}
    assert run.metrics.false_detections == 0


def test_unreadable_photos_miss_their_faces_and_unknown_photos_are_an_error() -> None:
    broken = Photo(path="b.jpg", width=None, height=None, sha256="0", error="cut", faces=())
    metrics = run_clustering(groups(broken), MainFaceTruth({"b.jpg": "Ada"})).metrics
    assert (metrics.labelled_faces, metrics.missed_faces) == (1, 1)
    with pytest.raises(FaceFlowError, match=r"1 labelled photos were not grouped, x\.jpg"):
        run_clustering(groups(broken), MainFaceTruth({"x.jpg": "Ada"}))


def test_perfect_groups() -> None:
    album = groups(*(photo(f"{i}.jpg", (MIDDLE, f"p00{i % 2}")) for i in range(6)))
    run = run_clustering(album, MainFaceTruth({f"{i}.jpg": f"name {i % 2}" for i in range(6)}))
    metrics = run.metrics
    assert (metrics.bcubed_f1, metrics.pairwise_f1, metrics.scores.purity) == (1.0, 1.0, 1.0)
    assert metrics.scores.v_measure == pytest.approx(1.0)
    assert metrics.scores.edits.corrections == 0
    assert worst_people(run, 5) == []


def test_truth_files(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("photo,person\na b.jpg,7\nü/c.jpg,8\n", encoding="utf-8")
    assert read_album_truth(file) == MainFaceTruth({"a b.jpg": "7", "ü/c.jpg": "8"})
    file.write_text("photo,identity,x1,y1,x2,y2\na.jpg,Ada,1,2,3,4.5\na.jpg,Bo,0,0,1,1\n")
    truth = read_album_truth(file)
    assert isinstance(truth, BoxTruth)
    assert truth.faces_of["a.jpg"].identities == ("Ada", "Bo")
    assert truth.faces_of["a.jpg"].boxes.tolist() == [[1, 2, 3, 4.5], [0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no labels"),
        ("photo,person\n", "no labels"),
        ("file,who\na,b\n", "expected the columns"),
        ("photo,person\na.jpg,\n", "line 2: photo or person is empty"),
        ("photo,person\na.jpg,1\na.jpg,2\n", "line 3: a.jpg has two main people"),
        ("photo,identity,x1,y1,x2,y2\na.jpg,Ada,1,2,3,\n", "line 2: could not convert"),
        ("photo,identity,x1,y1,x2,y2\na.jpg,Ada,1,2,3,inf\n", "line 2: photo, identity or box"),
    ],
)
def test_bad_truth_files(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "truth.csv"
    file.write_text(text)
    with pytest.raises(FaceFlowError, match=message):
        read_album_truth(file)


def test_absent_truth(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"truth\.csv"):
        read_album_truth(tmp_path / "truth.csv")


def test_the_command_groups_the_album(
    metrics_of: Callable, toys: Any, toy_photos: Any, tmp_path: Path
) -> None:
    album = tmp_path / "my album"
    album.mkdir()
    for name, cells in (("a", [(9, 7)]), ("b", [(9, 7)]), ("c", [])):
        (album / f"{name}.png").write_bytes(toy_photos.png(toy_photos.photo(*cells)))
    (album / "truth.csv").write_text("photo,person\na.png,1\nb.png,1\nc.png,2\n")
    metrics = metrics_of(
        *("evaluate", "clustering", album, "--section", "mine"),
        *("--detector", toys.detector, "--embedder", toys.embedder),
    )["mine"]
    # a and b have the same content, hence the same face in one group or in none.
    assert (metrics["labelled_faces"], metrics["missed_faces"]) == (3, 1)
    assert metrics["scores"]["identities"] == 2
    assert metrics["scores"]["bcubed"]["precision"] == 1.0
    assert sorted(path.name for path in album.iterdir()) == [
        *("a.png", "b.png", "c.png", "truth.csv")
    ]


def test_the_command_takes_groups_and_shows_the_worst(
    evaluate: Callable, metrics_of: Callable, toy_photos: Any, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(toy_photos.png(toy_photos.photo((3, 3))))
    write_groups(
        tmp_path / "groups.json",
        groups(photo("a.png", (LEFT, "p001")), photo("b.png", (LEFT, "p002"))),
    )
    (tmp_path / "labels.csv").write_text("photo,person\na.png,Ada\nb.png,Ada\n")
    arguments = (
        *("evaluate", "clustering", tmp_path, "--truth", tmp_path / "labels.csv"),
        *("--groups", tmp_path / "groups.json"),
    )
    metrics = metrics_of(*arguments, "--out", tmp_path / "out")["album"]
    assert metrics["scores"]["bcubed"] == {"precision": 1.0, "recall": 0.5}
    assert metrics["bcubed_f1"] == pytest.approx(2 / 3)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["models"][0]["contract_id"] == "fedcba9876543210"
    assert cv2.imread(str(tmp_path / "out" / "album_worst.jpg")) is not None
    table = evaluate(*arguments)
    assert table.exit_code == 0
    assert "0.6667" in table.stdout
    for option in ("--detector", "--embedder"):
        both = evaluate(*arguments, option, "another")
        assert (both.exit_code, both.stdout) == (2, "")
        assert "--groups" in both.stderr
    missing = evaluate("evaluate", "clustering", tmp_path / "absent")
    assert (missing.exit_code, missing.stdout) == (2, "")
