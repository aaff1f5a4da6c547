"""Embedders on pairs of photos and on aligned faces: faces missed, measures by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.evaluation.main_face import main_face
from faceflow_ml.evaluation.pair_sources import Pair, read_pair_photos, read_pairs
from faceflow_ml.evaluation.run_verification import (
    FOLDS,
    identity_metrics,
    pair_metrics,
    run_pairs,
    worst_pairs,
)
from faceflow_ml.inference.types import Detections, FaceResult


class Pipeline:
    """A stand-in for ``FacePipeline``: the colour of a photo says what is in it."""

    def run_batch(self, images: Sequence[np.ndarray]) -> list[FaceResult]:
        return [self._faces(image) for image in images]

    def _faces(self, image: np.ndarray) -> FaceResult:
        person = int(image[0, 0, 0]) // 10
        vectors = np.zeros((2 if person else 0, 512), np.float32)
        boxes = np.array([[0, 0, 20, 20], [30, 30, 70, 70]], np.float32)[: len(vectors)]
        if person:
            vectors[0, 511] = 1  # somebody in the corner
            vectors[1, person] = 1
        n = len(vectors)
        faces = Detections(boxes, np.full(n, 0.9), np.zeros((n, 5, 2)))
        crops = np.full((n, 112, 112, 3), person, np.uint8)
        return FaceResult(faces, crops, vectors, np.array([1, person / 10], np.float32)[:n])


@pytest.fixture(scope="module")
def photos(toy_photos: Any) -> dict[str, bytes]:
    """Photos of persons 1 to 3, two each, and one in which nobody is found."""
    colours = {f"p{person}_{k}.png": 10 * person for person in (1, 2, 3) for k in "ab"}
    return {
        name: toy_photos.png(np.full((100, 100, 3), colour, np.uint8))
        for name, colour in {**colours, "nobody.png": 0}.items()
    }


def test_pairs_compare_main_faces_and_a_missed_face_is_no_match(photos: dict[str, bytes]) -> None:
    pairs = [
        Pair("p1_a.png", "p1_b.png", same=True),
        Pair("p2_a.png", "p2_b.png", same=True),
        Pair("p1_a.png", "p2_a.png", same=False),
        Pair("p3_a.png", "nobody.png", same=True),
        Pair("p2_b.png", "nobody.png", same=False),
    ] * 10
    run = run_pairs(Pipeline(), pairs, photos)  # type: ignore[arg-type]
    assert run.scores[:5].tolist() == [1, 1, 0, -1, -1]
    assert run.missed[:5].tolist() == [False, False, False, True, True]
    assert run.quality[:5] == pytest.approx([0.1, 0.2, 0.1, 0, 0])  # of the poorer main face
    assert run.faces.names == tuple(sorted(photos.keys() - {"nobody.png"} - {"p3_b.png"}))
    assert [run.faces.crops[a, 0, 0, 0] for a, _ in run.rows[:3]] == [1, 2, 1]
    metrics = run.metrics
    assert (metrics.pairs, metrics.genuine_pairs, metrics.impostor_pairs) == (50, 30, 20)
    assert (metrics.photos, metrics.missed_photos) == (6, 1)
    assert metrics.faces_missed == pytest.approx(1 / 6)
    # Both pairs with the missed face are errors, though "not the same" was right for one.
    assert metrics.accuracy.value == pytest.approx(3 / 5)
    assert metrics.tar_at_far_1e_2.value == pytest.approx(2 / 3)
    genuine, impostor = worst_pairs(run, 3)
    assert {pairs[row] for row in genuine} <= {pairs[0], pairs[1]}
    assert {pairs[row] for row in impostor} == {pairs[2]}


def test_without_missed_faces_the_accuracy_is_that_of_the_scores() -> None:
    same = np.arange(100) % 2 == 0
    scores = np.where(same, 0.8, 0.1).astype(np.float32)
    scores[[0, 20]] = 0.0  # two genuine pairs below every impostor
    none = np.zeros(100, np.bool_)
    metrics = pair_metrics(scores, same, none, photos=200, found=200)
    assert metrics.accuracy.value == pytest.approx(0.98)
    assert metrics.faces_missed == 0
    assert 0.1 < metrics.threshold < 0.8
    assert metrics.roc_auc == pytest.approx(48 / 50)
    assert FOLDS == 10


def test_no_face_in_any_photo(photos: dict[str, bytes]) -> None:
    pairs = [Pair("nobody.png", "nobody.png", same) for same in (True, False) * 10]
    run = run_pairs(Pipeline(), pairs, photos)  # type: ignore[arg-type]
    assert run.faces.vectors.shape == (0, 512) and run.faces.crops.shape == (0, 112, 112, 3)
    assert run.missed.all() and run.quality.tolist() == [0] * 20
    assert run.metrics.faces_missed == 1


@pytest.mark.parametrize(
    ("boxes", "scores", "expected"),
    [
        ([[0, 0, 20, 20], [40, 40, 60, 60]], [0.9, 0.9], 1),  # the middle one of equals
        ([[40, 40, 60, 60], [10, 10, 60, 60]], [0.9, 0.9], 1),  # the larger one
        ([[40, 40, 60, 60], [39, 39, 61, 61]], [0.9, 0.5], 0),  # the surer one
        ([[0, 0, 90, 90]], [0.1], 0),
    ],
)
def test_main_face(boxes: list, scores: list, expected: int) -> None:
    assert main_face(boxes, scores, 100, 100) == expected


def test_main_face_of_none_and_of_bad_arguments() -> None:
    assert main_face([], [], 100, 100) is None
    with pytest.raises(ValueError, match="expected boxes"):
        main_face([[0, 0, 1, 1]], [0.5, 0.5], 100, 100)


def test_identity_metrics_by_hand() -> None:
    # Two people of two faces; one face of the second looks like the first.
    vectors = np.zeros((4, 3), np.float32)
    vectors[[0, 1, 2], 0] = 1
    vectors[3, 1] = 1
    metrics = identity_metrics(vectors, np.array([0, 0, 1, 1]))
    assert (metrics.genuine_pairs, metrics.impostor_pairs) == (2, 4)
    # Similarities: genuine 1 and 0, impostors 1, 1, 0, 0: as good as chance.
    assert metrics.roc_auc == pytest.approx(0.5)
    assert metrics.tar_at_far_1e_3.value == 0.0


def test_pairs_file(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("a,b,same\nx.jpg,y.jpg,1\nx.jpg,z.jpg,0\n")
    assert read_pairs(file) == [Pair("x.jpg", "y.jpg", True), Pair("x.jpg", "z.jpg", False)]
    file.write_bytes(b"\xef\xbb\xbfa,b,same\r\nx.jpg,y.jpg,1\r\n")  # as spreadsheets write it
    assert read_pairs(file) == [Pair("x.jpg", "y.jpg", True)]
    for bad in ("a,b,same\nx.jpg,,1\n", "a,b\nx,y\n", "a,b,same\nx,y,yes\n"):
        file.write_text(bad)
        with pytest.raises(FaceFlowError, match="line 2: expected a,b,same"):
            read_pairs(file)
    file.write_text("a,b,same\n")
    with pytest.raises(FaceFlowError, match="no pairs"):
        read_pairs(file)
    file.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(FaceFlowError, match="not a CSV"):
        read_pairs(file)
    with pytest.raises(ConfigError, match=r"none\.csv"):
        read_pairs(tmp_path / "none.csv")


def test_photos_of_pairs(tmp_path: Path, photos: dict[str, bytes]) -> None:
    folder = tmp_path / "photos" / "below"
    folder.mkdir(parents=True)
    (folder / "p1_a.png").write_bytes(photos["p1_a.png"])
    assert read_pair_photos(tmp_path / "photos", {"p1_a.png"}) == {"p1_a.png": folder / "p1_a.png"}
    table = pa.table({"name": list(photos), "image": list(photos.values())})
    pq.write_table(table, tmp_path / "photos.parquet")
    names = {"p1_a.png", "p2_a.png"}
    assert read_pair_photos(tmp_path / "photos.parquet", names) == {n: photos[n] for n in names}
    with pytest.raises(FaceFlowError, match=r"1 photos are missing, q\.png"):
        read_pair_photos(tmp_path / "photos.parquet", {"p1_a.png", "q.png"})
    with pytest.raises(ConfigError, match="no such photos"):
        read_pair_photos(tmp_path / "absent", names)


def test_photos_of_pairs_with_equal_names(tmp_path: Path, photos: dict[str, bytes]) -> None:
    for name in ("ada/1.png", "bob/1.png", "bob/2.png", "2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(photos["p1_a.png"])
    names = {"ada/1.png", "bob/1.png", "2.png"}
    assert read_pair_photos(tmp_path, names) == {name: tmp_path / name for name in names}
    with pytest.raises(FaceFlowError, match=r"2 photos are called 1\.png"):
        read_pair_photos(tmp_path, {"1.png"})
    with pytest.raises(FaceFlowError, match=r"1 photos are missing, cem/1\.png"):
        read_pair_photos(tmp_path, {"cem/1.png"})
    table = {"name": ["x.png", "x.png"], "image": [photos["p1_a.png"], photos["p2_a.png"]]}
    pq.write_table(pa.table(table), tmp_path / "photos.parquet")
    with pytest.raises(FaceFlowError, match=r"several photos are called x\.png"):
        read_pair_photos(tmp_path / "photos.parquet", {"x.png"})


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Aligned faces of three people, a folder each: noise over a pattern of their own."""
    rng = np.random.default_rng(0)
    for person in range(3):
        pattern = cv2.resize(
            rng.integers(0, 256, (7, 7, 3), np.uint8), (112, 112), interpolation=cv2.INTER_NEAREST
        )
        folder = tmp_path / "people" / f"person {person}"
        folder.mkdir(parents=True)
        for k in range(4):
            noise = rng.integers(-20, 20, pattern.shape)
            crop = np.clip(pattern.astype(int) + noise, 0, 255).astype(np.uint8)
            assert cv2.imwrite(str(folder / f"{k}.png"), crop)
    return tmp_path / "people"


def test_the_command_on_aligned_faces(
    evaluate: Callable, metrics_of: Callable, toys: Any, people: Path, tmp_path: Path
) -> None:
    arguments = ("--identities", people, "--weights", toys.embedder, "--threads", "1")
    metrics = metrics_of("evaluate", "embedder", *arguments, "--out", tmp_path / "out")
    assert metrics["identities"]["faces"] == 12
    assert metrics["identities"]["genuine_pairs"] == 3 * 6
    assert metrics["identities"]["tar_at_far_1e_3"]["value"] == 1.0
    assert "pairs" not in metrics
    for name in ("identities_roc.png", "identities_scores.png", "identities_norms.png"):
        assert cv2.imread(str(tmp_path / "out" / name)) is not None, name
    (people / "person 0" / "9.png").write_bytes(cv2.imencode(".png", np.zeros((50, 60, 3)))[1])
    result = evaluate("evaluate", "embedder", *arguments)
    assert result.exit_code == 1
    assert "expected an aligned face of 112 x 112 pixels, got 60 x 50" in result.stderr


def test_the_command_on_pairs(
    metrics_of: Callable, toys: Any, toy_photos: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = ["a,b,same"]
    for person in range(10):
        image = toy_photos.photo((9, 7))
        x, y = 9 * 32 + 16, 7 * 32 + 16
        for dx, dy in rng.integers(-50, 50, (30, 2)):
            if max(abs(dx), abs(dy)) > 24:
                cv2.circle(image, (x + int(dx), y + int(dy)), 6, (10, 10, 60), -1)
        for k in "ab":
            (folder / f"{person}{k}.png").write_bytes(toy_photos.png(image))
        rows += [f"{person}a.png,{person}b.png,1", f"{person}a.png,{(person + 1) % 10}b.png,0"]
    (folder / "9a.png").write_bytes(toy_photos.png(toy_photos.photo()))  # nobody
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    metrics = metrics_of(
        *("evaluate", "embedder", "--pairs", tmp_path / "pairs.csv", "--photos", folder),
        *("--weights", toys.embedder, "--detector", toys.detector, "--threads", "1"),
        *("--out", tmp_path / "out"),
    )["pairs"]
    assert (metrics["photos"], metrics["missed_photos"]) == (20, 1)
    # Equal photos are alike beyond others; the two pairs with the missed face are wrong.
    assert metrics["accuracy"]["value"] == pytest.approx(18 / 20)
    assert metrics["tar_at_far_1e_2"]["value"] == pytest.approx(9 / 10)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [model["kind"] for model in report["models"]] == ["embedder", "detector"]
    for name in ("pairs_worst.jpg", "pairs_reject.png"):
        picture = cv2.imread(str(tmp_path / "out" / name))
        assert picture is not None and picture.std() > 5, name


@pytest.mark.parametrize(("genuine", "impostor"), [(20, 0), (0, 20), (9, 20), (10, 1)])
def test_too_few_pairs_for_the_folds(
    evaluate: Callable, toys: Any, tmp_path: Path, genuine: int, impostor: int
) -> None:
    rows = ["a,b,same", *["x.png,y.png,1"] * genuine, *["x.png,z.png,0"] * impostor]
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    result = evaluate(
        *("evaluate", "embedder", "--pairs", tmp_path / "pairs.csv", "--photos", tmp_path),
        *("--weights", toys.embedder, "--detector", toys.detector, "--threads", "1"),
    )
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"got {genuine} and {impostor}" in " ".join(result.stderr.split())


def test_one_person_or_one_face_each_is_nothing_to_verify(
    evaluate: Callable, toys: Any, people: Path
) -> None:
    arguments = ("--identities", people, "--weights", toys.embedder, "--threads", "1")
    alone = evaluate("evaluate", "embedder", *arguments, "--limit", "4")
    assert (alone.exit_code, alone.stdout) == (1, "")
    assert "got 4 faces of 1 people" in " ".join(alone.stderr.split())
    for photo in people.glob("*/[1-3].png"):
        photo.unlink()
    single = evaluate("evaluate", "embedder", *arguments)
    assert single.exit_code == 1
    assert "got 3 faces of 3 people" in " ".join(single.stderr.split())


def test_pairs_and_photos_go_together(evaluate: Callable, tmp_path: Path) -> None:
    result = evaluate("evaluate", "embedder", "--pairs", tmp_path / "pairs.csv")
    assert result.exit_code == 2
    assert "--photos" in result.stderr
