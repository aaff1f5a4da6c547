"""LightningModule and data of the face detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.ops import nms

from faceflow_ml.data.detection_cache import DetectionCache, open_detection_cache
from faceflow_ml.data.detection_dataset import DetectionDataset, Targets, collate
from faceflow_ml.data.detection_sources import read_detections
from faceflow_ml.data.synthetic_shards import synthetic_photo_shard
from faceflow_ml.evaluation.detection import (
    ImageDetections,
    ImageTruth,
    average_precision,
    match_detections,
    median_landmark_error,
    recall_at_false_positives,
)
from faceflow_ml.losses.box import diou_loss, giou_loss, iou_matrix, paired_iou
from faceflow_ml.losses.focal import focal_loss, quality_focal_loss
from faceflow_ml.losses.landmark import landmark_loss
from faceflow_ml.models.assigners import atss, simota
from faceflow_ml.models.mobilenetv3_fpn import (
    MobileNetV3FPN,
    Points,
    RawPredictions,
    decode_boxes,
    decode_landmarks,
    make_points,
)
from faceflow_ml.models.registry import create_model
from faceflow_ml.training.checkpoints import latest_weights
from faceflow_ml.training.config import DetectionDataConfig, DetectorConfig, PhotoDataConfig
from faceflow_ml.training.loaders import planned_steps, resumable_loader
from faceflow_ml.training.optim import build_optimizer, require_finite
from faceflow_ml.training.warm_start import load_onnx_weights

Batch = tuple[Tensor, list[Targets]]


class PhotoData(L.LightningDataModule):
    """Caches of photos with boxes."""

    def __init__(self, config: PhotoDataConfig, seed: int) -> None:
        super().__init__()
        self._photos = config
        self.seed = seed
        self.fingerprint = ""
        self.train_caches: list[DetectionCache] = []
        self.val_cache: DetectionCache | None = None

    @property
    def validates(self) -> bool:
        """Is there anything to validate on?"""
        return self.val_cache is not None

    def prepare(self) -> None:
        """Decode what is not in the cache yet."""
        config = self._photos
        if config.train is not None:
            photos = read_detections(config.train, "train", limit=config.limit)
            self.train_caches.append(open_detection_cache(photos, config.cache))
        if config.synthetic_photos:
            shard = synthetic_photo_shard(config.synthetic_photos, self.seed, config.cache)
            photos = read_detections(shard, "")
            self.train_caches.append(open_detection_cache(photos, config.cache))
        self.fingerprint = "+".join(cache.folder.name for cache in self.train_caches)
        if config.val is not None:
            val = read_detections(config.val, "val", limit=config.limit)
            self.val_cache = open_detection_cache(val, config.cache)


class DetectorData(PhotoData):
    """Photos as a detector sees them, and their loaders; resumes inside an epoch."""

    def __init__(self, config: DetectionDataConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.config = config

    def train_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        first, *more = self.train_caches
        dataset = DetectionDataset(
            first,
            self.config.size,
            train=True,
            mosaic_probability=self.config.mosaic,
            seed=self.seed,
            extra_sources=more,
        )
        return resumable_loader(
            dataset,
            self.trainer,
            collate=collate,
            batch_size=self.config.batch_size,
            workers=self.config.workers,
            seed=self.seed,
        )

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        if self.val_cache is None:
            return []
        dataset = DetectionDataset(self.val_cache, self.config.val_size, train=False)
        return DataLoader(dataset, batch_size=16, collate_fn=collate)


class DetectorModule(L.LightningModule):
    """Trains a detector.

    Logs ``train/score``, ``train/box`` and ``train/landmark`` losses and, on the validation
    photos letterboxed to one size, ``val/ap`` (at IoU 0.5), ``val/recall@1fpi`` (one false
    positive an image) and ``val/landmark_error`` (median, in eye distances).
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.model = cast(MobileNetV3FPN, create_model("detector", config.model.name))
        self._found: list[ImageDetections] = []
        self._truth: list[ImageTruth] = []

    def forward(self, images: Tensor) -> RawPredictions:
        """Predict for ``(n, 3, h, w)`` RGB images in [0, 255]."""
        return cast(RawPredictions, self.model(images))

    @torch.no_grad()
    def _assign(
        self, points: Points, targets: list[Targets], logits: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Which face each point answers for, and which points neither reward nor punish.

        Returns:
            ``(n, a)`` int64, positions among the counted faces of the whole batch or -1, and
            ``(n, a)`` bool.
        """
        assigned = torch.empty(logits.shape, dtype=torch.int64, device=logits.device)
        ignored = torch.zeros_like(assigned, dtype=torch.bool)
        first = 0
        for i, target in enumerate(targets):
            faces = target.boxes[~target.ignore]
            if self.config.loss.assigner == "atss":
                assigned[i] = atss(points, faces)
            else:
                assigned[i] = simota(points, faces, logits[i], boxes[i])
            regions = target.boxes[target.ignore]
            if len(regions):
                centres = points.centres[:, None]
                inside = ((centres > regions[:, :2]) & (centres < regions[:, 2:])).all(-1)
                near = inside | (iou_matrix(boxes[i], regions) > 0.3)
                ignored[i] = near.any(1) & (assigned[i] < 0)
            assigned[i] += first * (assigned[i] >= 0)
            first += len(faces)
        return assigned, ignored

    def training_step(self, batch: Batch, _: int) -> Tensor:
        images, targets = batch
        raw = self.model(images)
        logits = raw.logits.float()
        points = make_points(images.shape[2], images.shape[3], images.device)
        boxes = decode_boxes(raw.distances.float(), points)
        landmarks = decode_landmarks(raw.offsets.float(), points)

        assigned, ignored = self._assign(points, targets, logits, boxes)
        # One flat index over the batch: a select for each image would write a gradient as large
        # as the batch every time.
        positive = torch.nonzero(assigned.flatten() >= 0)[:, 0]
        face = assigned.flatten()[positive]
        truth = torch.cat([t.boxes[~t.ignore] for t in targets])[face]
        true_points = torch.cat([t.landmarks[~t.ignore] for t in targets])[face]
        valid = torch.cat([t.landmark_valid[~t.ignore] for t in targets])[face]
        found = boxes.flatten(0, 1)[positive]

        overlap = paired_iou(found.detach(), truth)
        quality = torch.zeros_like(logits).flatten().scatter(0, positive, overlap)
        if self.config.loss.score_kind == "focal":
            entropy = focal_loss(logits.flatten(), (quality > 0).to(logits.dtype))
        else:
            entropy = quality_focal_loss(logits.flatten(), quality)
        entropy = entropy * ~ignored.flatten()
        weight = overlap.clamp(min=0.1)
        normaliser = weight.sum().clamp(min=1.0)
        score = entropy.sum() / normaliser
        box_loss = giou_loss if self.config.loss.box_kind == "giou" else diou_loss
        box = (box_loss(found, truth) * weight).sum() / normaliser
        size = (truth[:, 2:] - truth[:, :2]).prod(1).sqrt()
        landmark_terms = landmark_loss(landmarks.flatten(0, 1)[positive], true_points, valid, size)
        landmark = (landmark_terms * weight).sum() / normaliser
        losses = self.config.loss
        loss = losses.score * score + losses.box * box + losses.landmark * landmark
        require_finite(loss, self.trainer.global_step)
        size_of_batch = len(images)
        self.log("train/loss", loss, prog_bar=True, batch_size=size_of_batch)
        self.log("train/score", score, prog_bar=True, batch_size=size_of_batch)
        self.log("train/box", box, prog_bar=True, batch_size=size_of_batch)
        self.log("train/landmark", landmark, prog_bar=True, batch_size=size_of_batch)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        images, targets = batch
        # `forward` directly: a compiled call would compile again for this mode and size.
        raw = self.model.forward(images)
        points = make_points(images.shape[2], images.shape[3], images.device)
        boxes = decode_boxes(raw.distances.float(), points)
        landmarks = decode_landmarks(raw.offsets.float(), points)
        scores = raw.logits.float().sigmoid()
        for i, target in enumerate(targets):
            kept = torch.nonzero(scores[i] > 0.02)[:, 0]
            kept = kept[nms(boxes[i, kept], scores[i, kept], 0.4)]
            self._found.append(
                ImageDetections(
                    boxes[i, kept].cpu().numpy(),
                    scores[i, kept].cpu().numpy(),
                    landmarks[i, kept].cpu().numpy(),
                )
            )
            unknown = ~target.landmark_valid[..., None]
            self._truth.append(
                ImageTruth(
                    target.boxes.cpu().numpy(),
                    target.landmarks.masked_fill(unknown, torch.nan).cpu().numpy(),
                    target.ignore.cpu().numpy(),
                )
            )

    def on_validation_epoch_end(self) -> None:
        matched = match_detections(self._found, self._truth)
        self._found.clear()
        self._truth.clear()
        self.log("val/ap", average_precision(matched), prog_bar=True)
        self.log(
            "val/recall@1fpi",
            recall_at_false_positives(matched, matched.image_count),
            prog_bar=True,
        )
        error = median_landmark_error(matched, min_score=0.3)
        if error == error:  # no hit yet in the first epochs of a tiny run
            self.log("val/landmark_error", error, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return build_optimizer(self, self.config.optim, planned_steps(self.trainer))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["faceflow"] = {
            "kind": "detector",
            "config": self.config.model_dump(mode="json"),
        }

    def start_from_export(self, file: Path, data: DetectorData) -> None:
        """Take over exported weights."""
        config = data.config
        photos = DetectionDataset(data.train_caches[0], config.size, train=True, seed=data.seed)
        count = min(len(photos), 16 * 16)
        loader = DataLoader(
            photos, batch_size=16, sampler=[(0, i) for i in range(count)], collate_fn=collate
        )
        load_onnx_weights(self.model, file, (images for images, _ in loader))

    def start_from(self, checkpoint: dict[str, Any], _: DetectorData) -> None:
        """Take over the weights of an earlier run."""
        weights = {
            key.removeprefix("model."): value
            for key, value in latest_weights(checkpoint).items()
            if key.startswith("model.")
        }
        self.model.load_state_dict(weights)
