"""Error versus reject: curves worked out by hand, all pairs of main faces, the page's section."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceflow_ml.benchmark.page import rejection_section
from faceflow_ml.benchmark.quality import REJECT_PICTURE, Quality, measure_quality
from faceflow_ml.evaluation.album_truth import TRUTH
from faceflow_ml.evaluation.clustering import evaluate_clustering
from faceflow_ml.evaluation.pair_sources import read_people
from faceflow_ml.evaluation.rejection import (
    PARTIAL,
    SHARES,
    RejectCurve,
    all_pair_quality,
    error_versus_reject,
)
from faceflow_ml.evaluation.reports import plain
from faceflow_ml.evaluation.run_clustering import AlbumMetrics
from faceflow_ml.evaluation.run_verification import MainFaces, reject_all_pairs
from faceflow_ml.evaluation.verification import all_pair_scores, tar_at_far

# Ten pairs of one person, the last three of them errors, and ten of two people.
SAME = np.arange(20) < 10
SCORES = np.where(SAME, 0.9, 0.5)
SCORES[7:10] = 0.1


def curve(genuine: Sequence[float], shares: tuple[float, ...] = SHARES) -> RejectCurve:
    """Of the ten genuine pairs' quality; that of impostors must not matter, so that it is low."""
    quality = np.concatenate([genuine, np.full(10, -1.0)])
    return error_versus_reject(SCORES, SAME, quality, 0.0, shares)


def test_by_hand() -> None:
    # By rising quality: error, right, error, error, then only right ones.
    result = curve([2, 5, 6, 7, 8, 9, 10, 1, 3, 4], (0.0, 0.1, 0.2, 0.3, 0.4, 0.9))
    assert result.errors == pytest.approx([3 / 10, 2 / 9, 2 / 8, 1 / 7, 0, 0])
    assert result.ideal == pytest.approx([3 / 10, 2 / 9, 1 / 8, 0, 0, 0])
    assert (result.genuine_pairs, result.impostor_pairs) == (10, 10)
    assert (result.threshold, result.far) == (0.9, 0.0)
    # The integral of (0.3 - r) / (1 - r) = 1 - 0.7 / (1 - r).
    ideal = 0.2 + 0.7 * np.log(0.8)
    # From 0.1 on the pair that is being left out is right: 0.2 / (1 - r).
    actual = 0.1 + 0.7 * np.log(0.9) + 0.2 * np.log(0.9 / 0.8)
    assert result.saving == pytest.approx((0.06 - actual) / (0.06 - ideal), rel=1e-3)


def test_a_quality_that_knows_the_errors_is_ideal_and_its_reverse_is_worse_than_chance() -> None:
    best = curve([4, 5, 6, 7, 8, 9, 10, 1, 2, 3])
    assert best.errors == pytest.approx(best.ideal)
    assert best.saving == pytest.approx(1)
    worst = curve([4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    assert worst.errors[SHARES.index(0.5)] == pytest.approx(3 / 5)
    assert worst.saving is not None and worst.saving < 0


def test_equal_quality_is_chance_in_whatever_order() -> None:
    flat = curve([0.5] * 10)
    assert flat.errors == pytest.approx([0.3] * len(SHARES))
    assert flat.saving == pytest.approx(0)
    # Two errors in four pairs of the lowest level: half of what is left out of it is an error.
    result = curve([1, 2, 1, 2, 2, 2, 2, 1, 2, 1], (0.2, 0.4))
    assert result.errors == pytest.approx([2 / 8, 1 / 6])


def test_a_share_between_pairs_leaves_out_a_part_of_one() -> None:
    # Half of the pair of the lowest quality, an error.
    assert curve([2, 5, 6, 7, 8, 9, 10, 1, 3, 4], (0.05,)).errors[0] == pytest.approx(2.5 / 9.5)


def test_the_threshold_is_that_of_the_false_accept_rate() -> None:
    rng = np.random.default_rng(0)
    same = np.arange(3000) < 1000
    scores = np.where(same, rng.normal(1, 0.6, 3000), rng.normal(0, 0.6, 3000))
    result = error_versus_reject(scores, same, rng.random(3000), 1e-2)
    assert result.errors[0] == pytest.approx(1 - tar_at_far(scores, same, 1e-2))
    assert np.mean(scores[~same] >= result.threshold) <= 1e-2


@pytest.mark.parametrize("scores", [np.where(SAME, 0.9, 0.5), np.where(SAME, 0.1, 0.5)])
def test_no_errors_or_nothing_else_leaves_nothing_to_save(scores: np.ndarray) -> None:
    result = error_versus_reject(scores, SAME, np.arange(20.0), 0.0)
    assert result.errors == pytest.approx(result.ideal)
    assert result.saving is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"quality": np.ones(19)}, "finite quality"),
        ({"quality": np.full(20, np.nan)}, "finite quality"),
        ({"far": 1.5}, "false accept rate in"),
        ({"far": float("nan")}, "false accept rate in"),
        ({"shares": (0.0, 1.0)}, "shares in"),
        ({"same": np.ones(20, bool)}, "same person and of different"),
        ({"scores": np.zeros(3)}, "expected scores"),
    ],
)
def test_bad_arguments(changed: dict[str, Any], message: str) -> None:
    arguments = {"scores": SCORES, "same": SAME, "quality": np.ones(20), "far": 0.1}
    with pytest.raises(ValueError, match=message):
        error_versus_reject(**{**arguments, **changed})


def test_pairs_have_the_quality_of_their_poorer_face_in_the_order_of_scores() -> None:
    quality = np.random.default_rng(0).random(7)
    ranked = np.eye(7, dtype=np.float32) + np.arange(7)[:, None] * 10
    scores, _ = all_pair_scores(ranked, np.arange(7))
    pairs = [(a, b) for a in range(7) for b in range(a + 1, 7)]
    assert scores.tolist() == [float(ranked[a] @ ranked[b]) for a, b in pairs]
    assert all_pair_quality(quality).tolist() == [min(quality[a], quality[b]) for a, b in pairs]


def main_faces(vectors: Sequence[Sequence[float]], quality: list[float]) -> MainFaces:
    n = len(vectors)
    return MainFaces(
        names=tuple("abcdefgh"[:n]),
        vectors=np.array(vectors, np.float32),
        quality=np.array(quality, np.float32),
        crops=np.zeros((n, 112, 112, 3), np.uint8),
        photos=n,
    )


def test_all_pairs_of_known_people() -> None:
    # One face of x looks like nobody, and is poor; e is nobody that is known.
    vectors = [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    faces = main_faces(vectors, [0.9, 0.8, 0.1, 0.7, 0.9])
    people = {"a": "x", "b": "x", "c": "x", "d": "y"}
    result = reject_all_pairs(faces, people, 0.0)
    assert result is not None
    assert (result.genuine_pairs, result.impostor_pairs) == (3, 3)
    assert result.errors[0] == pytest.approx(2 / 3)
    assert result.saving == pytest.approx(1)
    # With e as another person, the most alike pair is of two people: no threshold is right.
    assert reject_all_pairs(faces, {**people, "e": "z"}, 0.0) is None
    assert reject_all_pairs(faces, {"a": "x", "b": "x"}, 0.1) is None
    assert reject_all_pairs(faces, {}, 0.1) is None


@pytest.fixture(scope="module")
def data(toy_photos: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos each of five people, as pairs with identities and as an album."""
    folder = tmp_path_factory.mktemp("data")
    for part in ("verification", "album"):
        (folder / part).mkdir()
    rng = np.random.default_rng(0)
    photos: dict[str, bytes] = {}
    for person in range(5):
        image = toy_photos.photo((9, 7))
        x, y = 9 * 32 + 16, 7 * 32 + 16
        for dx, dy in rng.integers(-50, 50, (30, 2)):
            if max(abs(dx), abs(dy)) > 24:
                cv2.circle(image, (x + int(dx), y + int(dy)), 6, (10, 10, 60), -1)
        for k in range(3):
            photos[f"{person}{k}.png"] = toy_photos.png(image)
    for name, photo in photos.items():
        (folder / "album" / name).write_bytes(photo)
    rows = ["photo,person", *(f"{name},{name[0]}" for name in photos)]
    (folder / "album" / TRUTH).write_text("\n".join(rows) + "\n")
    table = {"name": [*photos], "image": [*photos.values()], "identity": [n[0] for n in photos]}
    pq.write_table(pa.table(table), folder / "verification" / "lfw_dev.parquet")
    pairs = [f"{p}0.png,{p}1.png,1\n{p}0.png,{(p + 1) % 5}2.png,0" for p in range(5)] * 4
    (folder / "verification" / "lfw_dev_pairs.csv").write_text("\n".join(["a,b,same", *pairs]))
    return folder


def test_the_benchmark_measures_all_pairs_and_draws_them(
    toys: Any, data: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    quality = measure_quality(
        data / "album",
        data,
        detector=str(toys.detector),
        embedder=str(toys.embedder),
        pictures=tmp_path / "images",
        say=said.append,
    )
    assert quality.pairs is not None and quality.pairs.photos == 15
    for found in (quality.pairs_rejection, quality.album_rejection):
        assert found is not None
        assert (found.genuine_pairs, found.impostor_pairs) == (5 * 3, 10 * 9)
        assert set(found.errors) == {0.0}  # equal photos are alike beyond others
    assert quality.pictures == (REJECT_PICTURE,)
    picture = cv2.imread(str(tmp_path / "images" / REJECT_PICTURE))
    assert picture is not None and picture.std() > 5
    json.dumps(plain(quality), allow_nan=False)
    assert len(said) == 4


def test_people_of_photos_that_say_none(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "photos.parquet"
    pq.write_table(pa.table({"name": ["a"], "image": [b""]}), file)
    assert read_people(file) == {}
    assert read_people(data / "verification" / "lfw_dev.parquet")["32.png"] == "3"


def test_the_section_says_what_was_measured() -> None:
    scores = evaluate_clustering(np.array([0, 0]), np.array([0, 0]))
    album = AlbumMetrics(1, 2, 0, 2, None, scores, 1.0, 1.0)
    none = Quality(album, None, None, None, None)
    assert rejection_section(none, "images") == []
    found = curve([2, 5, 6, 7, 8, 9, 10, 1, 3, 4])
    one = Quality(album, None, None, None, None, album_rejection=found, pictures=(REJECT_PICTURE,))
    page = "\n".join(rejection_section(one, "images"))
    assert "| pairs left out | album: error | album: ideal |" in page
    assert "| 0% | 30.0% | 30.0% |" in page
    assert "| 20% | 25.0% | 12.5% |" in page
    assert "takes the error from 30.0% to 25.0%; an ideal quality would take it to 12.5%" in page
    assert f"| share of the ideal saving | {found.saving:.0%} |" in page
    assert f"(images/{REJECT_PICTURE})" in page
    assert "lfw_dev" not in page
    assert "![" not in "\n".join(rejection_section(one, None))
    assert PARTIAL in SHARES
