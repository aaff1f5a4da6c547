"""``faceflow-ml detect`` and ``embed``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from faceflow_ml.cli import app


@pytest.fixture
def run() -> Callable:
    def invoke(*arguments: str | Path):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


def test_detect_prints_boxes_for_people_and_for_programs(
    run: Callable, toy_models, make_album: Callable
) -> None:
    folder = make_album(2)
    images = [folder / "IMG_000.png", folder / "IMG_001.png"]
    detector = ["--detector", toy_models.detector, "--min-score", "0.4"]
    result = run("detect", *images, "--json", *detector)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert len(document["models"]["detector"]) == 16
    assert [len(image["faces"]) for image in document["images"]] == [1, 2]
    first = document["images"][0]
    assert (first["path"], first["width"], first["height"]) == (str(images[0]), 640, 480)
    x1, y1, x2, y2 = first["faces"][0]["box"]
    assert 90 < (x1 + x2) / 2 < 200
    assert y1 < y2
    plain = run("detect", *images, *detector)
    assert len(plain.stdout.splitlines()) == 3
    assert plain.stdout.startswith(f"{images[0]}: ")
    one = run("detect", images[1], "--json", "--max-faces", "1", *detector)
    assert len(json.loads(one.stdout)["images"][0]["faces"]) == 1


def test_embed_prints_unit_vectors(run: Callable, toy_models, make_album: Callable) -> None:
    image = make_album(1) / "IMG_000.png"
    result = run("embed", image, "--json", "--min-score", "0.4", *toy_models.options)
    assert result.exit_code == 0, result.stderr
    face = json.loads(result.stdout)["images"][0]["faces"][0]
    assert len(face["vector"]) == 512
    assert np.linalg.norm(face["vector"]) == pytest.approx(1, abs=1e-4)
    assert 0 <= face["quality"] <= 1
    assert "[" in run("embed", image, "--min-score", "0.4", *toy_models.options).stdout


def test_embed_takes_aligned_crops(run: Callable, toy_models, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, size in (("a.png", 112), ("b.png", 100)):
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 255, (size, size, 3), dtype=np.uint8))
    embedder = ["--aligned", "--json", "--embedder", toy_models.embedder]
    result = run("embed", tmp_path / "a.png", tmp_path / "b.png", *embedder)
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)["images"]
    assert good["faces"][0]["box"] is None
    assert len(good["faces"][0]["vector"]) == 512
    assert bad["error"] == "expected an aligned face of 112 x 112 pixels, got 100 x 100"


@pytest.mark.parametrize("command", ["detect", "embed"])
def test_unreadable_photos_are_reported_and_the_others_printed(
    run: Callable, toy_models, make_album: Callable, tmp_path: Path, command: str
) -> None:
    good = make_album(1) / "IMG_000.png"
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    options = toy_models.options[: 4 if command == "embed" else 2]
    result = run(command, tmp_path / "bad.jpg", tmp_path / "no.jpg", good, "--json", *options)
    assert result.exit_code == 1
    images = json.loads(result.stdout)["images"]
    assert "not an image" in images[0]["error"]
    assert "No such file" in images[1]["error"]
    assert images[2]["error"] is None
    assert "bad.jpg" in result.stderr


def test_out_of_range_options_are_bad_usage(run: Callable, tmp_path: Path) -> None:
    assert run("detect", tmp_path / "a.jpg", "--min-score", "1.5").exit_code == 2
    assert run("detect", tmp_path / "a.jpg", "--max-faces", "0").exit_code == 2
