"""`train`: from a typed configuration to checkpoints, the same on a laptop, in CI and in a job."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
)

from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.tracking.stores import tracking_uri
from faceflow_ml.training.allocator import keep_freed_memory
from faceflow_ml.training.checkpoints import load_checkpoint
from faceflow_ml.training.config import (
    AlignerConfig,
    DetectorConfig,
    EmbedderConfig,
    RefinerConfig,
    RunConfig,
    load_config,
    save_config,
)
from faceflow_ml.training.progress import ProgressBar
from faceflow_ml.training.step_seed import StepSeed
from faceflow_ml.training.tracking import SystemMetrics, log_results, mlflow_logger

_log = logging.getLogger(__name__)

TrainConfig = EmbedderConfig | DetectorConfig | RefinerConfig | AlignerConfig


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind."""

    best_checkpoint: Path
    last_checkpoint: Path
    steps: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class _Job:
    kind: str
    module: L.LightningModule
    data: L.LightningDataModule
    monitor: str
    fingerprint: str
    validates: bool
    better: Literal["min", "max"] = "max"


def train(config: TrainConfig) -> TrainResult:
    """Train, or go on with the run in ``config.run.output``.

    Raises:
        ConfigError: the output folder holds a run of another configuration.
        FaceFlowError: the data are missing or malformed, or the loss became NaN.
    """
    run = config.run
    if config.tracking.enabled:
        tracking_uri(config.tracking.uri)  # one that cannot be is told before anything is written
    _require_weights(config)
    _claim_output(config)
    if run.threads:
        torch.set_num_threads(run.threads)
    if run.accelerator == "cpu" or not torch.accelerator.is_available():
        keep_freed_memory()
    L.seed_everything(run.seed, workers=True, verbose=False)
    job = _job(config)
    last = run.output / "last.ckpt"
    if run.init_from is not None and not last.exists():
        if run.init_from.suffix == ".onnx":
            job.module.start_from_export(run.init_from, job.data)  # type: ignore[operator]
        else:
            checkpoint = load_checkpoint(run.init_from)
            job.module.start_from(checkpoint, job.data)  # type: ignore[operator]
    if run.channels_last:
        job.module.to(memory_format=torch.channels_last)
    if run.compile:
        _compile(job)
    logger = (
        mlflow_logger(
            config.tracking,
            job.kind,
            config,
            run.output,
            {"data_fingerprint": job.fingerprint},
        )
        if config.tracking.enabled and _leads()
        else None
    )
    callbacks, best = _callbacks(run, job)
    if logger is not None and config.tracking.system_metrics:
        callbacks.append(SystemMetrics(logger))
    with _quiet_lightning():
        trainer = L.Trainer(
            accelerator=run.accelerator,
            devices=run.devices,
            num_nodes=run.nodes,
            precision=run.precision,
            max_epochs=run.epochs,
            max_steps=run.max_steps or -1,
            accumulate_grad_batches=run.accumulate,
            gradient_clip_val=config.optim.clip_norm,
            check_val_every_n_epoch=run.validate_every,
            num_sanity_val_steps=0,
            log_every_n_steps=run.log_every,
            use_distributed_sampler=False,
            default_root_dir=run.output,
            callbacks=callbacks,
            logger=logger or False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(
                job.module,
                datamodule=job.data,
                ckpt_path=last if last.exists() else None,
                weights_only=False,
            )
        except Exception as error:
            interruption = _interruption(error)
            if interruption is None:
                raise
            raise interruption from None
    if trainer.interrupted:
        raise KeyboardInterrupt
    trainer.save_checkpoint(last)
    # By its name: the run's folder may have been moved since the best one was written.
    best_path = run.output / Path(best.best_model_path).name if best.best_model_path else last
    if trainer.is_global_zero:  # on other machines there is no checkpoint
        if logger is not None:
            log_results(logger, best_path, checkpoint=config.tracking.log_checkpoint)
        _export_to_sagemaker(best_path, run.output)
    return TrainResult(
        best_checkpoint=best_path,
        last_checkpoint=last,
        steps=trainer.global_step,
        metrics={name: float(value) for name, value in trainer.callback_metrics.items()},
    )


def _interruption(error: BaseException) -> BaseException | None:
    """What was being unwound when ``error`` was raised: Ctrl-C or SIGTERM, or None.

    A signal to the whole process group ends the loader's workers as well, whose end PyTorch
    reports as an error of its own while the first one unwinds.
    """
    cause = error.__context__
    while isinstance(cause, Exception | GeneratorExit):
        cause = cause.__context__
    return cause


def _compile(job: _Job) -> None:
    """TorchInductor, where its compilers are: images that train have none."""
    compilers = (os.environ.get("CC") or "gcc", os.environ.get("CXX") or "g++")
    missing = [name for name in compilers if shutil.which(name) is None]
    if missing:
        _log.warning("run.compile: there is no %s here; training uncompiled", missing[0])
    else:
        job.module.model.compile()  # type: ignore[union-attr]
        for teachers in getattr(job.module, "teachers", ()):
            teachers.compile()


def _leads() -> bool:
    """Whether this is the first process of the first machine, which alone keeps an MLflow run.

    Asked before Lightning knows ranks; the variables are torchrun's and Lightning's.
    """
    node = os.environ.get("NODE_RANK") or os.environ.get("GROUP_RANK") or "0"
    return (node, os.environ.get("LOCAL_RANK") or "0") == ("0", "0")


def _job(config: TrainConfig) -> _Job:
    match config:
        case DetectorConfig():
            return _detector_job(config)
        case EmbedderConfig():
            return _embedder_job(config)
        case RefinerConfig():
            return _refiner_job(config)
        case AlignerConfig():
            return _aligner_job(config)


def _embedder_job(config: EmbedderConfig) -> _Job:
    from faceflow_ml.training.embedder import EmbedderData, EmbedderModule

    data = EmbedderData(config.data, config.model.input_size, config.run.seed)
    data.prepare()
    module = EmbedderModule(config, data.train_cache.names)
    return _Job(
        "embedder",
        module,
        data,
        "val/accuracy",
        data.train_cache.fingerprint,
        data.val_cache is not None,
    )


def _detector_job(config: DetectorConfig) -> _Job:
    from faceflow_ml.training.detector import DetectorData, DetectorModule

    data = DetectorData(config.data, config.run.seed)
    data.prepare()
    module = DetectorModule(config)
    return _Job("detector", module, data, "val/ap", data.fingerprint, data.validates)


def _refiner_job(config: RefinerConfig) -> _Job:
    from faceflow_ml.training.refiner import RefinerData, RefinerModule

    data = RefinerData(config.data, config.run.seed)
    data.prepare()
    module = RefinerModule(config)
    return _Job("refiner", module, data, "val/ap", data.fingerprint, data.validates)


def _aligner_job(config: AlignerConfig) -> _Job:
    from faceflow_ml.training.aligner import AlignerData, AlignerModule

    data = AlignerData(config.data, config.run.seed)
    data.prepare()
    return _Job(
        "aligner",
        AlignerModule(config),
        data,
        "val/error_px",
        data.train_cache.fingerprint,
        data.val_cache is not None,
        better="min",
    )


def _require_weights(config: TrainConfig) -> None:
    """Refuse missing weights to start or to learn from before faces are decoded for minutes."""
    needed = list(config.distil.teachers) if isinstance(config, EmbedderConfig) else []
    if config.run.init_from is not None and not (config.run.output / "last.ckpt").exists():
        needed.append(config.run.init_from)
    for file in needed:
        if not file.exists():
            raise FaceFlowError(f"{file}: no such checkpoint or export")


_MACHINE = {
    "data.cache",
    "data.workers",
    "run.accelerator",
    "run.checkpoint_every",
    "run.compile",
    "run.log_every",
    "run.threads",
}
"""Keys that say how a run is computed, not what: it may go on with others, on another machine."""


def _claim_output(config: TrainConfig) -> None:
    """Write the resolved configuration, or check that the folder's run is of the same one."""
    file = config.run.output / "config.yaml"
    if not file.exists():
        save_config(config, file)
        return
    # Validated, so that keys that are younger than the run have their defaults.
    earlier = load_config(type(config), file, environment={}).model_dump(mode="json")
    now = config.model_dump(mode="json")
    changed = [
        f"{section}.{key}"
        for section, values in now.items()
        if section != "tracking"
        for key, value in values.items()
        if earlier[section][key] != value and f"{section}.{key}" not in _MACHINE
    ]
    if changed:
        raise ConfigError(
            f"{config.run.output} holds a run with another configuration "
            f"({', '.join(changed)}); choose another run.output, or remove it to start afresh"
        )
    save_config(config, file)


def _callbacks(run: RunConfig, job: _Job) -> tuple[list[Callback], ModelCheckpoint]:
    # The resumable checkpoint is one file, replaced in one step by Lightning's atomic save.
    last = ModelCheckpoint(
        run.output,
        filename="last",
        every_n_train_steps=run.checkpoint_every,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
        save_top_k=1,
    )
    best = ModelCheckpoint(
        run.output,
        filename="best",
        monitor=job.monitor if job.validates else None,
        mode=job.better,
        enable_version_counter=False,
        save_on_train_epoch_end=not job.validates,
    )
    callbacks: list[Callback] = [
        StepSeed(run.seed),
        last,
        best,
        ProgressBar(refresh_rate=1 if sys.stderr.isatty() else run.log_every),
    ]
    if run.ema_decay is not None:
        callbacks.append(
            EMAWeightAveraging(decay=run.ema_decay, update_every_n_steps=run.ema_every)
        )
    if run.patience is not None and job.validates:
        callbacks.append(EarlyStopping(job.monitor, mode=job.better, patience=run.patience))
    return callbacks, best


def _export_to_sagemaker(checkpoint: Path, output: Path) -> None:
    """Leave the best checkpoint and its configuration where SageMaker packs model.tar.gz."""
    folder = os.environ.get("SM_MODEL_DIR")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.copy2(checkpoint, Path(folder) / "best.ckpt")
        shutil.copy2(output / "config.yaml", folder)


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Progress belongs on stderr, since stdout is for results; advice that is settled, nowhere."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # The loader is resumable: its place follows from the global step.
        warnings.filterwarnings("ignore", message=".*dataloader is not resumable.*")
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        yield
