"""MLflow tracking of a training run."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger

from faceflow_ml.files import atomic_write_text
from faceflow_ml.training.config import Section, TrackingConfig

RUN_ID_FILE = "mlflow_run_id"


def tracking_uri(config: TrackingConfig) -> str:
    """The configured store, the environment's, or a SQLite file in the working folder."""
    return config.uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"


def mlflow_logger(
    config: TrackingConfig, kind: str, resolved: Section, output: Path, tags: dict[str, Any]
) -> MLFlowLogger:
    """Open the MLflow run of ``output``, the same one when training resumes.

    Parameters, the resolved configuration (as an artifact) and ``tags`` are written at once.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)  # one line a migration otherwise
    memory = output / RUN_ID_FILE
    run_id = memory.read_text(encoding="utf-8").strip() if memory.is_file() else None
    logger = MLFlowLogger(
        experiment_name=config.experiment or f"faceflow-{kind}",
        run_name=config.run_name or output.name,
        tracking_uri=tracking_uri(config),
        run_id=run_id,
        tags=tags,
    )
    if run_id is None:
        assert logger.run_id is not None
        atomic_write_text(memory, logger.run_id + "\n")
        logger.log_hyperparams(_flatten(resolved.model_dump(mode="json")))
        logger.experiment.log_artifact(logger.run_id, str(output / "config.yaml"))
    return logger


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
