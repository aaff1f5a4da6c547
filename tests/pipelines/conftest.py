"""Small definitions, programs and stores that the tests of the pipeline share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines.config import PipelineConfig, load_pipeline_config
from pipelines.local.execute import Home
from tests.pipelines.deploying import Place
from tests.pipelines.small import home

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "pipeline"


@pytest.fixture
def default_config() -> PipelineConfig:
    return load_pipeline_config(CONFIGS / "default.yaml")


@pytest.fixture(scope="session")
def compiled() -> dict[str, Any]:
    """The definition of the default configuration, compiled once: the SDK takes its time."""
    from pipelines.definition.compile import compile_definition

    return compile_definition(load_pipeline_config(CONFIGS / "default.yaml"))


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without models, made once: its migrations take seconds."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    from pipelines.mlflow_registry import MlflowRegistry

    assert MlflowRegistry(f"sqlite:///{file}").champion("nobody") is None
    return file


@pytest.fixture
def local_root(tmp_path: Path, empty_registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline's folder with a registry; MLflow puts artifacts below the working folder."""
    root = tmp_path / "root"
    root.mkdir()
    shutil.copyfile(empty_registry, root / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture
def make_home(tmp_path: Path) -> Callable[..., Home]:
    """What small executions run with; ``code`` stands for the version of the programs."""

    return partial(home, tmp_path)


@pytest.fixture
def make_place(local_root: Path) -> Iterator[Callable[..., Place]]:
    """A place to deploy in, with overrides of the configuration; its servers are stopped."""
    places: list[Place] = []

    def make(*words: str) -> Place:
        places.append(Place(local_root, *words))
        return places[-1]

    yield make
    for place in places:
        place.deployer.stop()
