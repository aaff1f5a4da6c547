"""Debug runs that tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from faceflow_ml.training.config import (
    AlignerConfig,
    DetectorConfig,
    EmbedderConfig,
    RefinerConfig,
    load_config,
)

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="session")
def face_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered faces and photos, once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def embedder_config(tmp_path: Path, face_cache: Path) -> Callable[..., EmbedderConfig]:
    """A factory of small embedder runs in ``tmp_path``."""

    def make(*words: str) -> EmbedderConfig:
        small = [
            f"data.cache={face_cache}",
            f"run.output={tmp_path / 'embedder'}",
            "tracking.enabled=false",
            "model.input_size=64",
            "run.accelerator=cpu",
        ]
        return load_config(EmbedderConfig, CONFIGS / "embedder/debug.yaml", [*small, *words], {})

    return make


@pytest.fixture
def detector_config(tmp_path: Path, face_cache: Path) -> Callable[..., DetectorConfig]:
    """A factory of small detector runs in ``tmp_path``."""

    def make(*words: str) -> DetectorConfig:
        small = [
            f"data.cache={face_cache}",
            f"run.output={tmp_path / 'detector'}",
            "tracking.enabled=false",
            "run.accelerator=cpu",
        ]
        return load_config(DetectorConfig, CONFIGS / "detector/debug.yaml", [*small, *words], {})

    return make


@pytest.fixture
def refiner_config(tmp_path: Path, face_cache: Path) -> Callable[..., RefinerConfig]:
    """A factory of small refiner runs in ``tmp_path``."""

    def make(*words: str) -> RefinerConfig:
        small = [
            f"data.cache={face_cache}",
            f"run.output={tmp_path / 'refiner'}",
            "tracking.enabled=false",
            "run.accelerator=cpu",
        ]
        return load_config(RefinerConfig, CONFIGS / "refiner/debug.yaml", [*small, *words], {})

    return make


@pytest.fixture
def aligner_config(tmp_path: Path, face_cache: Path) -> Callable[..., AlignerConfig]:
    """A factory of small aligner runs in ``tmp_path``."""

    def make(*words: str) -> AlignerConfig:
        small = [
            f"data.cache={face_cache}",
            f"run.output={tmp_path / 'aligner'}",
            "tracking.enabled=false",
            "run.accelerator=cpu",
        ]
        return load_config(AlignerConfig, CONFIGS / "aligner/debug.yaml", [*small, *words], {})

    return make
