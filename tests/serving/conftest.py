"""Servers and images that tests of a module share."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceflow_ml import FaceDetector, FaceEmbedder
from tests.cli.conftest import red_photo
from tests.inference.conftest import build_detector, build_embedder
from tests.serving.server import Server, serving


def encode(pixels: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return stream.getvalue()


def npy(array: np.ndarray, **options: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def crops(count: int, seed: int = 0) -> np.ndarray:
    """(count, 112, 112, 3) different smooth pictures."""
    coarse = np.random.default_rng(seed).integers(0, 255, (count, 7, 7, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 16, axis=1), 16, axis=2)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ``detector`` and ``embedder``, each with one toy model and no manifest."""
    folder = tmp_path_factory.mktemp("toys")
    for name, build in (("detector", build_detector), ("embedder", build_embedder)):
        (folder / name).mkdir()
        (folder / name / "model.onnx").write_bytes(build())
    return folder


@pytest.fixture(scope="session")
def photos() -> list[np.ndarray]:
    """Photos in which the toy detector finds one or two faces each."""
    return [red_photo(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def embedding() -> Iterator[Server]:
    """The embedding server with the shipped weights."""
    with serving("embedding") as server:
        yield server


@pytest.fixture(scope="module")
def detection(toy_folder: Path) -> Iterator[Server]:
    """The detection server with a toy model."""
    with serving("detection", "--model-dir", str(toy_folder / "detector")) as server:
        yield server


@pytest.fixture(scope="session")
def embedder() -> FaceEmbedder:
    """The same in the library."""
    return FaceEmbedder.from_pretrained(threads=1)


@pytest.fixture(scope="session")
def detector(toy_folder: Path) -> FaceDetector:
    """The same in the library."""
    return FaceDetector.from_pretrained(toy_folder / "detector", threads=1)
