"""LightningModule and data of the refiner of a detector's candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from faceflow_ml.data.box_views import BoxViewDataset
from faceflow_ml.data.candidates import Candidates, find_candidates
from faceflow_ml.data.detection_cache import DetectionCache
from faceflow_ml.evaluation.detection import (
    ImageDetections,
    ImageTruth,
    average_precision,
    match_detections,
    recall_at_false_positives,
)
from faceflow_ml.inference.detector import NMS_IOU, FaceDetector
from faceflow_ml.inference.nms import nms
from faceflow_ml.inference.refiner import box_view, change_boxes, combine_scores
from faceflow_ml.losses.refinement import refinement_loss
from faceflow_ml.models.registry import create_model
from faceflow_ml.models.view_network import ViewNetwork
from faceflow_ml.training.checkpoints import latest_weights
from faceflow_ml.training.config import RefinerConfig, RefinerDataConfig
from faceflow_ml.training.detector import PhotoData
from faceflow_ml.training.loaders import planned_steps, resumable_loader
from faceflow_ml.training.optim import build_optimizer, require_finite
from faceflow_ml.training.warm_start import load_onnx_weights

Batch = tuple[Tensor, Tensor, Tensor]


class RefinerData(PhotoData):
    """The detector's photos, and the candidates that a detector finds in them."""

    def __init__(self, config: RefinerDataConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.config = config
        self.candidates: list[Candidates] = []
        self.val_candidates: Candidates | None = None

    def prepare(self) -> None:
        """Decode the photos, and look for candidates, where that was not done before."""
        super().prepare()
        root = self.config.cache
        detector = FaceDetector.from_pretrained(self.config.detector)
        self.candidates = [find_candidates(cache, detector, root) for cache in self.train_caches]
        if self.val_cache is not None:
            self.val_candidates = find_candidates(self.val_cache, detector, root)

    def train_dataset(self) -> BoxViewDataset:
        """What training sees, in whole batches."""
        sources = list(zip(self.train_caches, self.candidates, strict=True))
        return BoxViewDataset(sources, seed=self.seed)

    def train_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        dataset = self.train_dataset()
        return resumable_loader(
            dataset,
            self.trainer,
            weights=dataset.weights,
            batch_size=self.config.batch_size,
            workers=self.config.workers,
            seed=self.seed,
        )

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        if self.val_cache is None or self.val_candidates is None:
            return []
        return DataLoader(CandidateViews(self.val_cache, self.val_candidates), batch_size=128)


class CandidateViews(Dataset[Tensor]):
    """Views of all candidates as they are, ``(3, 64, 64)`` uint8."""

    def __init__(self, cache: DetectionCache, candidates: Candidates) -> None:
        self.cache = cache
        self.candidates = candidates

    def __len__(self) -> int:
        return len(self.candidates.photos)

    def __getitem__(self, index: int) -> Tensor:
        photo = self.cache[int(self.candidates.photos[index])].image
        view = box_view(photo, self.candidates.boxes[index].astype(np.float64))
        return torch.from_numpy(view).permute(2, 0, 1)


class RefinerModule(L.LightningModule):
    """Trains a refiner.

    Logs ``train/loss`` and, of the detector together with the refiner on the validation photos,
    ``val/ap`` (at IoU 0.5) and ``val/recall@1fpi`` (one false positive an image).
    """

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__()
        self.config = config
        model = config.model
        self.model = cast(ViewNetwork, create_model("refiner", model.name, dropout=model.dropout))
        self._judgements: list[Tensor] = []

    def forward(self, views: Tensor) -> Tensor:
        """Judgements ``(n, 5)`` of ``(n, 3, 64, 64)`` RGB views in [0, 255]."""
        return cast(Tensor, self.model(views))

    def training_step(self, batch: Batch, _: int) -> Tensor:
        views, faces, changes = batch
        loss = refinement_loss(self.model(views).float(), faces, changes)
        require_finite(loss, self.trainer.global_step)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Tensor, _: int) -> None:
        # `forward` directly: a compiled call would compile again for this mode and batch size.
        self._judgements.append(self.model.forward(batch).float().cpu())

    def on_validation_epoch_end(self) -> None:
        judgements = torch.cat(self._judgements).numpy()
        self._judgements.clear()
        data = cast(RefinerData, self.trainer.datamodule)  # type: ignore[attr-defined]
        assert data.val_cache is not None
        assert data.val_candidates is not None
        found, truth = [], []
        for number, photo in enumerate(data.val_cache):
            own = data.val_candidates.of(number)
            boxes = change_boxes(data.val_candidates.boxes[own], judgements[own, 1:])
            scores = combine_scores(data.val_candidates.scores[own], judgements[own, 0])
            kept = nms(boxes, scores, NMS_IOU)
            unknown = np.full((len(kept), 5, 2), np.nan, np.float32)
            found.append(ImageDetections(boxes[kept], scores[kept], unknown))
            faces = photo.faces
            truth.append(ImageTruth(faces.boxes, faces.landmarks, faces.ignore))
        matched = match_detections(found, truth)
        self.log("val/ap", average_precision(matched), prog_bar=True)
        recall = recall_at_false_positives(matched, matched.image_count)
        self.log("val/recall@1fpi", recall, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return build_optimizer(self, self.config.optim, planned_steps(self.trainer))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["faceflow"] = {
            "kind": "refiner",
            "config": self.config.model_dump(mode="json"),
        }

    def start_from_export(self, file: Path, data: RefinerData) -> None:
        """Take over exported weights."""
        dataset = data.train_dataset()
        count = min(len(dataset), 256)
        batches = ([(0, i) for i in range(start, count)][:64] for start in range(0, count, 64))
        load_onnx_weights(self.model, file, (dataset.__getitems__(batch)[0] for batch in batches))
        self.model.train()

    def start_from(self, checkpoint: dict[str, Any], _: RefinerData) -> None:
        """Take over weights of an earlier run."""
        self.load_state_dict(latest_weights(checkpoint))
