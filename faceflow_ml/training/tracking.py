"""MLflow tracking of a training run."""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import mlflow
from lightning.pytorch.loggers import MLFlowLogger
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from faceflow_ml.errors import ConfigError
from faceflow_ml.files import atomic_write_text
from faceflow_ml.tracking.stores import tracking_uri
from faceflow_ml.training.config import Section, TrackingConfig

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

RUN_ID_FILE = "mlflow_run_id"


def mlflow_logger(
    config: TrackingConfig, kind: str, resolved: Section, output: Path, tags: dict[str, Any]
) -> MLFlowLogger:
    """Open the MLflow run of ``output``, the same one when training resumes.

    Parameters, the resolved configuration (as an artifact) and ``tags`` are written at once. The
    run is nested in ``config.parent_run``, or else in the run that is active in this process.

    Raises:
        ConfigError: there is no such parent run, or the store needs a plugin that is missing.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)  # one line a migration otherwise
    store = tracking_uri(config.uri)
    memory = output / RUN_ID_FILE
    run_id = memory.read_text(encoding="utf-8").strip() if memory.is_file() else None
    parent, experiment = _parent(config.parent_run, store)
    logger = MLFlowLogger(
        experiment_name=config.experiment
        or experiment
        or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        or f"faceflow-{kind}",
        # A job's output folder is called the same in every job.
        run_name=config.run_name or os.environ.get("TRAINING_JOB_NAME") or output.name,
        tracking_uri=store,
        run_id=run_id,
        tags=tags if parent is None else {**tags, MLFLOW_PARENT_RUN_ID: parent},
    )
    if run_id is None:
        assert logger.run_id is not None
        atomic_write_text(memory, logger.run_id + "\n")
        logger.log_hyperparams(_flatten(resolved.model_dump(mode="json")))
        logger.experiment.log_artifact(logger.run_id, str(output / "config.yaml"))
    return logger


def _parent(given: str | None, store: str) -> tuple[str | None, str | None]:
    """Id of the run to nest in and the name of its experiment, outside of which MLflow's pages do
    not show the nesting; None for both without one."""
    run_id = given
    if run_id is None:
        active = mlflow.active_run()
        if active is None or mlflow.get_tracking_uri() != store:
            return None, None
        run_id = active.info.run_id
    client = mlflow.MlflowClient(store)
    try:
        run = client.get_run(run_id)
        return run_id, client.get_experiment(run.info.experiment_id).name
    except mlflow.MlflowException as error:
        raise ConfigError(f"tracking.parent_run: no run {run_id} in {store}: {error}") from error


class SystemMetrics(L.Callback):
    """Records use of CPU, memory, disk, network and GPU every ten seconds, as ``system/...``."""

    def __init__(self, logger: MLFlowLogger) -> None:
        self._logger = logger
        self._monitor: SystemMetricsMonitor | None = None

    def on_fit_start(self, trainer: L.Trainer, *_: Any) -> None:
        if not trainer.is_global_zero or find_spec("psutil") is None:
            return
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
        self._monitor = SystemMetricsMonitor(
            self._logger.run_id, resume_logging=True, tracking_uri=self._logger._tracking_uri
        )
        self._monitor.start()

    def on_fit_end(self, *_: Any) -> None:
        self._stop()

    def on_exception(self, *_: Any) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None


def log_results(logger: MLFlowLogger, best: Path, *, checkpoint: bool) -> None:
    """Note which checkpoint was the best, and keep it as an artifact if asked."""
    client, run_id = logger.experiment, logger.run_id
    client.set_tag(run_id, "best_checkpoint", str(best.resolve()))
    if checkpoint:
        client.log_artifact(run_id, str(best), "checkpoints")


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
