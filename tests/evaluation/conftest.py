"""Toy models and labelled photos whose measures follow by hand."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from faceflow_ml.cli import app
from faceflow_ml.data.records import DetectionSample

TESTS = Path(__file__).resolve().parents[1]
Cell = tuple[int, int]


def _toys() -> ModuleType:
    """The builders of toy models, which the tests of inference own."""
    path = TESTS / "inference" / "conftest.py"
    spec = importlib.util.spec_from_file_location("evaluation_toy_models", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Toys:
    """ONNX files that obey the contracts: red cells are faces, crops are projected at random."""

    detector: Path
    embedder: Path


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Toys:
    build = _toys()
    folder = tmp_path_factory.mktemp("toys")
    toys = Toys(folder / "detector.onnx", folder / "embedder.onnx")
    toys.detector.write_bytes(build.build_detector())
    toys.embedder.write_bytes(build.build_embedder())
    return toys


class ToyPhotos:
    """Photos with what the toy detector sees as faces: a cell of its coarsest grid, red, with the
    half-size of the box in blue. Cells are 32 pixels; photos of 640 pixels are not resized."""

    half = 60

    def photo(self, *cells: Cell, strength: int = 250) -> np.ndarray:
        """(480, 640, 3) uint8 RGB, grey, with a face in each cell (column, row)."""
        image = np.full((480, 640, 3), 90, np.uint8)
        for column, row in cells:
            part = image[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32]
            part[:] = (strength, 10, self.half)
        return image

    def box(self, cell: Cell) -> list[float]:
        x, y = cell[0] * 32 + 16, cell[1] * 32 + 16
        return [x - self.half, y - self.half, x + self.half, y + self.half]

    def landmarks(self, cell: Cell) -> np.ndarray:
        parts = np.array([[-0.4, -0.3], [0.4, -0.3], [0.0, 0.1], [-0.3, 0.5], [0.3, 0.5]])
        return np.array([cell[0] * 32 + 16, cell[1] * 32 + 16]) + parts * self.half

    def sample(
        self, image: np.ndarray, cells: list[Cell], *, ignored: int = 0, moved: float = 0
    ) -> DetectionSample:
        """A photo whose labels are the faces in ``cells``, the last ``ignored`` of them ignore
        regions; the labels' landmarks are ``moved`` to the right."""
        n = len(cells)
        points = [self.landmarks(cell) + (moved, 0) for cell in cells]
        return DetectionSample(
            self.png(image),
            np.array([self.box(cell) for cell in cells], np.float32).reshape(n, 4),
            np.array(points, np.float32).reshape(n, 5, 2),
            np.arange(n) >= n - ignored,
            "photo",
            640,
            480,
        )

    @staticmethod
    def png(image: np.ndarray) -> bytes:
        done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        assert done
        return data.tobytes()


@pytest.fixture(scope="session")
def toy_photos() -> ToyPhotos:
    return ToyPhotos()


@pytest.fixture
def evaluate() -> Callable[..., Result]:
    """Run ``faceflow-ml`` in this process."""

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def metrics_of(evaluate: Callable[..., Result]) -> Callable[..., dict]:
    """Run ``faceflow-ml ... --json``, which must succeed, and return its metrics."""

    def run(*arguments: str | Path) -> dict:
        result = evaluate(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["metrics"]

    return run


@pytest.fixture(scope="module")
def importable(pytestconfig: pytest.Config) -> Iterator[None]:
    """Processes of their own find the package here."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(pytestconfig.rootpath), prepend=os.pathsep)
    yield
    patch.undo()
