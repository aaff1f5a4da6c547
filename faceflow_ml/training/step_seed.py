"""Randomness of a training step that a resumed run has too."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch

from faceflow_ml.data.identities import batch_seed


class StepSeed(L.Callback):
    """Seeds PyTorch before every batch by the run's seed and how far training is, and by nothing
    else: what dropout drops after a kill is what it would have dropped without one.

    seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self,
        trainer: L.Trainer,
        _module: L.LightningModule,
        _batch: Any,
        batch_idx: int,
    ) -> None:
        part = batch_idx % trainer.accumulate_grad_batches
        place = trainer.global_rank * trainer.accumulate_grad_batches + part
        torch.manual_seed(batch_seed(self._seed, trainer.global_step, place))
