"""LightningModule and data of the face aligner."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.utils.data import DataLoader

from faceflow_ml.data.face_views import ViewDataset
from faceflow_ml.data.identities import AlignedFaces
from faceflow_ml.losses.alignment import alignment_error, alignment_loss
from faceflow_ml.models.aligner import Aligner
from faceflow_ml.models.registry import create_model
from faceflow_ml.training.checkpoints import latest_weights
from faceflow_ml.training.config import AlignerConfig
from faceflow_ml.training.identity_data import IdentityData
from faceflow_ml.training.loaders import as_is, planned_steps
from faceflow_ml.training.optim import build_optimizer, require_finite
from faceflow_ml.training.warm_start import load_onnx_weights

_VALIDATION_SEED = 0  # not the run's: errors of different runs are of the same views


class AlignerData(IdentityData):
    """The embedder's faces, seen through disturbed alignments."""

    def train_dataset(self) -> ViewDataset:
        return ViewDataset(self.train_cache, augment=True, seed=self.seed)

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        return [] if self.val_cache is None else fixed_views(self.val_cache)


def fixed_views(cache: AlignedFaces) -> DataLoader[Any]:
    """Views of all faces under disturbances that are the same every time."""
    return DataLoader(
        ViewDataset(cache, augment=False, seed=_VALIDATION_SEED),
        batch_size=256,
        sampler=[(0, position) for position in range(len(cache))],
        collate_fn=as_is,
    )


class AlignerModule(L.LightningModule):
    """Trains an aligner to undo disturbances of aligned faces.

    Logs ``train/loss`` and, on faces that training never sees, ``val/error_px`` and
    ``val/error_px_before``: the mean distance of the five points from the template, in template
    pixels, with the correction and without.
    """

    def __init__(self, config: AlignerConfig) -> None:
        super().__init__()
        self.config = config
        model = config.model
        self.model = cast(Aligner, create_model("aligner", model.name, dropout=model.dropout))

    def forward(self, views: Tensor) -> Tensor:
        """Corrections ``(n, 4)`` of ``(n, 3, 64, 64)`` RGB views in [0, 255]."""
        return cast(Tensor, self.model(views))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        views, corrections = batch
        loss = alignment_loss(self.model(views).float(), corrections)
        require_finite(loss, self.trainer.global_step)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        views, corrections = batch
        # `forward` directly: a compiled call would compile again for this mode and batch size.
        found = self.model.forward(views).float()
        after = alignment_error(found, corrections).mean()
        before = alignment_error(torch.zeros_like(found), corrections).mean()
        self.log("val/error_px", after, prog_bar=True, batch_size=len(views))
        self.log("val/error_px_before", before, batch_size=len(views))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return build_optimizer(self, self.config.optim, planned_steps(self.trainer))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["faceflow"] = {
            "kind": "aligner",
            "config": self.config.model_dump(mode="json"),
        }

    def start_from_export(self, file: Path, data: AlignerData) -> None:
        """Take over exported weights."""
        views = (views for views, _ in fixed_views(data.train_cache))
        load_onnx_weights(self.model, file, itertools.islice(views, 4))
        self.model.train()

    def start_from(self, checkpoint: dict[str, Any], _: AlignerData) -> None:
        """Take over weights of an earlier run."""
        self.load_state_dict(latest_weights(checkpoint))
