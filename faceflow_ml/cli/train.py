"""``faceflow-ml train``: from a configuration to checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceflow_ml.cli._common import emit_json, say
from faceflow_ml.cli._options import Json
from faceflow_ml.training.config import (
    AlignerConfig,
    DetectorConfig,
    EmbedderConfig,
    RefinerConfig,
    load_config,
)

if TYPE_CHECKING:
    from faceflow_ml.training.trainer import TrainConfig

app = typer.Typer()

ConfigFile = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="YAML configuration; see configs/.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Values that override the file's."),
]


@app.command(
    epilog="Example: faceflow-ml train detector --config configs/detector/debug.yaml run.epochs=20"
)
def detector(config: ConfigFile, overrides: Overrides = None, as_json: Json = False) -> None:
    """Train the face detector; the same command goes on after a kill."""
    _train(load_config(DetectorConfig, config, overrides or []), as_json)


@app.command(
    epilog="Example: faceflow-ml train embedder --config configs/embedder/debug.yaml run.seed=1"
)
def embedder(config: ConfigFile, overrides: Overrides = None, as_json: Json = False) -> None:
    """Train the face embedder; the same command goes on after a kill."""
    _train(load_config(EmbedderConfig, config, overrides or []), as_json)


@app.command(
    epilog="Example: faceflow-ml train refiner --config configs/refiner/debug.yaml run.seed=1"
)
def refiner(config: ConfigFile, overrides: Overrides = None, as_json: Json = False) -> None:
    """Train the refiner of a detector's candidates; the same command goes on after a kill."""
    _train(load_config(RefinerConfig, config, overrides or []), as_json)


@app.command(
    epilog="Example: faceflow-ml train aligner --config configs/aligner/debug.yaml run.seed=1"
)
def aligner(config: ConfigFile, overrides: Overrides = None, as_json: Json = False) -> None:
    """Train the face aligner; the same command goes on after a kill."""
    _train(load_config(AlignerConfig, config, overrides or []), as_json)


def _train(config: TrainConfig, as_json: bool) -> None:
    from faceflow_ml.training.trainer import train  # torch and Lightning take seconds to import

    result = train(config)
    if as_json:
        emit_json(result)
        return
    say(f"Trained {result.steps} steps; the best checkpoint is {result.best_checkpoint}")
    for name, value in sorted(result.metrics.items()):
        typer.echo(f"{name}\t{value:.4f}")
