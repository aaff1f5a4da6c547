"""Data loaders that go on in the middle of an epoch after a kill."""

from __future__ import annotations

import math
from collections.abc import Callable, Sized
from typing import Any, TypeVar, cast

import lightning as L
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from faceflow_ml.data.samplers import EpochSampler
from faceflow_ml.errors import FaceFlowError

T = TypeVar("T")


def as_is(batch: T) -> T:
    """Collate nothing: the dataset made the batch."""
    return batch


def resumable_loader(
    dataset: Dataset[Any],
    trainer: L.Trainer,
    *,
    batch_size: int,
    workers: int,
    seed: int,
    collate: Callable[[Any], Any] = as_is,
    weights: NDArray[np.float64] | None = None,
) -> DataLoader[Any]:
    """A shuffling loader whose place follows from the trainer's step, and from nothing else.

    Args:
        dataset: takes ``(epoch, position)`` pairs, one by one or a batch at once.
        trainer: whose global step says how far training is.
        batch_size: samples a batch and process; a last part of an epoch is dropped.
        workers: loader processes.
        seed: of the shuffles.
        collate: makes a batch of samples; by default the dataset makes whole batches.
        weights: how often each sample comes, relative to the others; by default alike.

    Raises:
        FaceFlowError: there are fewer samples than one batch.
    """
    length = len(cast(Sized, dataset))
    share = length // trainer.world_size
    if share < batch_size:
        raise FaceFlowError(
            f"{length} samples over {trainer.world_size} processes do not fill a batch of "
            f"{batch_size}: lower data.batch_size"
        )
    steps = math.ceil(share // batch_size / trainer.accumulate_grad_batches)

    def position() -> tuple[int, int]:
        epoch, step = divmod(trainer.global_step, steps)
        return epoch, step * trainer.accumulate_grad_batches * batch_size

    sampler = EpochSampler(
        length,
        position,
        seed=seed,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        weights=weights,
    )
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        drop_last=True,
        collate_fn=collate,
    )


def planned_steps(trainer: L.Trainer) -> int:
    """Optimiser steps of all epochs: what schedules span, wherever ``run.max_steps`` stops.

    Asked while optimisers are made, which is before a resumed run knows its step. Lightning's own
    estimate would start the loader then, and its workers would fetch the first epoch again.
    """
    loader = trainer.datamodule.train_dataloader()  # type: ignore[attr-defined]
    per_epoch = math.ceil(len(loader) / trainer.accumulate_grad_batches)
    return per_epoch * (trainer.max_epochs or 1)
