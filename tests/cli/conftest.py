"""The command line as users run it: a process of its own, with toy models."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

TESTS = Path(__file__).resolve().parents[1]


def load(path: Path) -> ModuleType:
    """Another test folder's helpers."""
    spec = importlib.util.spec_from_file_location(f"helpers_{path.parent.name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class ToyModels:
    """ONNX files that obey the contracts: red cells are faces, crops are projected at random."""

    detector: Path
    embedder: Path

    @property
    def options(self) -> list[str]:
        return ["--detector", str(self.detector), "--embedder", str(self.embedder)]


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> ToyModels:
    toys = load(TESTS / "inference" / "conftest.py")
    folder = tmp_path_factory.mktemp("models")
    models = ToyModels(folder / "detector.onnx", folder / "embedder.onnx")
    models.detector.write_bytes(toys.build_detector())
    models.embedder.write_bytes(toys.build_embedder())
    return models


def start(*arguments: str | Path, **options: object) -> subprocess.Popen[str]:
    """Start ``faceflow-ml``."""
    return subprocess.Popen(
        [sys.executable, "-m", "faceflow_ml", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(TESTS.parent), "COLUMNS": "200"},
        **options,  # type: ignore[call-overload]
    )


@pytest.fixture(scope="session")
def start_cli() -> Callable[..., subprocess.Popen[str]]:
    return start


@pytest.fixture(scope="session")
def cli() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``faceflow-ml`` to its end."""

    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return run


def red_photo(seed: int, size: tuple[int, int] = (640, 480)) -> np.ndarray:
    """One or two red squares, each in its person's pattern of dark dots, on a grey scene."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (6, 9), dtype=np.uint8)
    grey = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    image = np.repeat(grey[..., None], 3, axis=2)
    for k in range(1 + seed % 2):
        x, y = 128 + 320 * k, 128 + 32 * int(rng.integers(0, 6))
        person = np.random.default_rng(seed % 3 if k == 0 else 3)
        for dx, dy in person.integers(-50, 82, (40, 2)):
            cv2.circle(image, (x + int(dx), y + int(dy)), 9, (10, 10, 90), -1)
        image[y : y + 32, x : x + 32] = (250, 10, 60)  # one cell of the detector's coarsest grid
    return image


@pytest.fixture
def make_album(tmp_path: Path) -> Callable[[int], Path]:
    def make(count: int) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir()
        for seed in range(count):
            bgr = cv2.cvtColor(red_photo(seed), cv2.COLOR_RGB2BGR)
            assert cv2.imwrite(str(folder / f"IMG_{seed:03d}.png"), bgr)
        return folder

    return make
