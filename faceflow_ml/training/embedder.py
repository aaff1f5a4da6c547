"""LightningModule and data of the face embedder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from faceflow_ml.data.face_parts import CombinedFaces
from faceflow_ml.data.face_shapes import ReshapedFaces
from faceflow_ml.data.face_transforms import FaceTransform
from faceflow_ml.data.identities import AlignedFaces, FaceDataset
from faceflow_ml.data.progress import counted
from faceflow_ml.evaluation.verification import all_pair_scores, best_accuracy, tar_at_far
from faceflow_ml.losses.margin import margin_at
from faceflow_ml.models.heads import MarginHead
from faceflow_ml.models.iresnet import IResNet, added_blocks, resize_fc
from faceflow_ml.models.registry import create_model
from faceflow_ml.training.checkpoints import latest_weights
from faceflow_ml.training.config import EmbedderConfig, EmbedderDataConfig
from faceflow_ml.training.identity_data import IdentityData
from faceflow_ml.training.loaders import planned_steps
from faceflow_ml.training.optim import build_optimizer, require_finite
from faceflow_ml.training.warm_start import load_onnx_weights

_IMPRINTED_FACES = 4  # of each identity: more move its centre little


class EmbedderData(IdentityData):
    """Augmented faces, placed as the product will place them where an aligner is configured."""

    def __init__(self, config: EmbedderDataConfig, input_size: int, seed: int) -> None:
        aligner = None
        if config.aligner is not None:
            # Here: what trains without it may be forked, which ONNX Runtime does not bear.
            from faceflow_ml.inference.aligner import FaceAligner

            aligner = FaceAligner.from_pretrained(config.aligner, threads=1)
        super().__init__(config, seed, aligner)
        self.input_size = input_size
        self.jitter = config.jitter
        self.turn = config.turn
        self.shapes = config.shapes
        self.combinations = config.combinations

    def prepare(self) -> None:
        """Decode what is not in the cache yet; people made of others are drawn when asked for."""
        super().prepare()
        if self.combinations:
            self.train_cache = CombinedFaces(self.train_cache, self.combinations)
        if self.shapes:
            self.train_cache = ReshapedFaces(self.train_cache, self.shapes)

    def train_dataset(self) -> FaceDataset:
        transform = FaceTransform(self.input_size, augment=True, jitter=self.jitter, turn=self.turn)
        return FaceDataset(self.train_cache, transform, seed=self.seed)

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        if self.val_cache is None:
            return []
        return DataLoader(ValidationFaces(self.val_cache, self.input_size), batch_size=128)


class EmbedderModule(L.LightningModule):
    """Trains an embedder by classifying identities with a margin softmax.

    Logs ``train/loss``, ``train/accuracy``, ``train/margin`` and, on identities that training
    never sees, ``val/accuracy`` (balanced, at the best threshold) and ``val/tar@far=1e-3``.
    """

    def __init__(self, config: EmbedderConfig, identities: list[str]) -> None:
        super().__init__()
        self.config = config
        self.identities = identities
        model = config.model
        self.model = cast(
            IResNet,
            create_model(
                "embedder", model.name, input_size=model.input_size, dropout=model.dropout
            ),
        )
        head = config.head
        self.head = MarginHead(
            self.model.embedding_norm.num_features,
            len(identities),
            kind=head.kind,
            scale=head.scale,
            sub_centres=head.sub_centres,
            sample_rate=head.sample_rate,
        )
        # In a list, so that they are no part of what is trained, averaged and saved.
        self.teachers = [Teachers(config.distil.teachers)] if config.distil.teachers else []
        self._planned_steps = 1
        self._validation: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        """Embed ``(n, 3, s, s)`` RGB images in [0, 255] as ``(n, 512)`` vectors."""
        return cast(Tensor, self.model(images))

    def _progress(self) -> float:
        return self.trainer.global_step / self._planned_steps

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, labels = batch
        head = self.config.head
        margin = margin_at(
            self._progress(), margin=head.margin, start=head.margin_start, end=head.margin_end
        )
        embeddings = self.model(images)
        logits, targets = self.head(embeddings, labels, margin)
        loss = F.cross_entropy(logits, targets)
        for teachers in self.teachers:
            with torch.no_grad():
                taught = teachers.to(self.device)(images)
            far = 1 - F.cosine_similarity(embeddings.float(), taught.float()).mean()
            self.log("train/distance", far, prog_bar=True)
            loss = loss + self.config.distil.weight * far
        require_finite(loss, self.trainer.global_step)
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/margin", margin)
        with torch.no_grad():
            correct = (logits.argmax(dim=1) == targets).float().mean()
        self.log("train/accuracy", correct, prog_bar=True)
        return loss

    def validation_step(self, batch: Tensor, _: int) -> None:
        # `forward` directly: a compiled call would compile again for this mode and batch size.
        both = self.model.forward(batch).float() + self.model.forward(batch.flip(3)).float()
        vectors = F.normalize(both)
        self._validation.append(vectors.cpu())

    def on_validation_epoch_end(self) -> None:
        vectors = torch.cat(self._validation).numpy()
        self._validation.clear()
        cache = cast(EmbedderData, self.trainer.datamodule).val_cache  # type: ignore[attr-defined]
        assert cache is not None
        scores, same = all_pair_scores(vectors, cache.labels[: len(vectors)])
        if same.all() or not same.any():
            return  # the sanity check sees too few faces to compare
        self.log("val/accuracy", best_accuracy(scores, same), prog_bar=True)
        self.log("val/tar@far=1e-3", tar_at_far(scores, same, 1e-3), prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        self._planned_steps = planned_steps(self.trainer)
        return build_optimizer(self, self.config.optim, self._planned_steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["faceflow"] = {
            "kind": "embedder",
            "config": self.config.model_dump(mode="json"),
            "identities": self.identities,
        }

    def start_from_export(self, file: Path, data: EmbedderData) -> None:
        """Take over exported weights, which have no class centres: all are placed."""
        faces = ValidationFaces(data.train_cache, self.model.input_size)
        load_onnx_weights(self.model, file, itertools.islice(DataLoader(faces, batch_size=256), 4))
        self._place_centres(data, np.arange(len(self.identities)))

    def start_from(self, checkpoint: dict[str, Any], data: EmbedderData) -> None:
        """Take over weights of an earlier run.

        The network may have been trained at another input size or have had fewer blocks; class
        centres are carried over by the name of the identity, those of new identities are placed.
        """
        state = latest_weights(checkpoint)
        weights = {
            key.removeprefix("model."): value
            for key, value in state.items()
            if key.startswith("model.")
        }
        grid = self.model.grid(self.model.input_size)
        weights["fc.weight"] = resize_fc(weights["fc.weight"], self.model.channels, grid)
        added = added_blocks(self.model, weights)
        own = self.model.state_dict()
        weights |= {key: value for key, value in own.items() if key.startswith(added)}
        self.model.load_state_dict(weights)
        centres = state["head.weight"]
        alike = centres.shape[1:] == self.head.weight.shape[1:]
        old = {name: i for i, name in enumerate(checkpoint["faceflow"]["identities"])}
        theirs = np.array([old.get(name, -1) if alike else -1 for name in self.identities])
        kept = np.flatnonzero(theirs >= 0)
        with torch.no_grad():
            self.head.weight[torch.from_numpy(kept)] = centres[torch.from_numpy(theirs[kept])]
        self._place_centres(data, np.flatnonzero(theirs < 0))

    def _place_centres(self, data: EmbedderData, identities: NDArray[np.int64]) -> None:
        """Let the centres of these classes start where the embedder puts the identities.

        Each is the mean of its identity's embeddings (Qi et al., "Low-Shot Learning with Imprinted
        Weights", 2018).
        """
        if not identities.size:
            return
        cache = data.train_cache
        faces = ValidationFaces(cache, self.model.input_size)
        chosen = _some_of_each(cache.labels, _IMPRINTED_FACES)
        chosen = chosen[np.isin(cache.labels[chosen], identities)]
        loader = DataLoader(torch.utils.data.Subset(faces, chosen.tolist()), batch_size=256)
        self.model.eval().to(memory_format=torch.channels_last)  # faster on CPUs
        sums = torch.zeros(len(self.identities), self.model.embedding_norm.num_features)
        labels = torch.from_numpy(cache.labels[chosen])
        places = torch.from_numpy(identities)
        half = self.config.run.precision == "bf16-mixed"
        with torch.no_grad():
            batches = zip(loader, labels.split(256), strict=True)
            for images, owners in counted(batches, "Placing class centres, batches", len(loader)):
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    embeddings = self.model(images)
                sums.index_add_(0, owners, F.normalize(embeddings.float()))
            spread = self.head.weight.norm(dim=-1, keepdim=True).mean()
            centres = (F.normalize(sums[places]) * spread)[:, None]
            centres = centres.expand_as(self.head.weight[places])
            if self.head.sub_centres > 1:
                centres = centres + torch.randn_like(centres) * 0.01 * spread
            self.head.weight[places] = centres
        self.model.train()


class Teachers(nn.Module):
    """The mean embedding of trained embedders (Hinton et al., "Distilling the Knowledge", 2015).

    Their embeddings are averaged as they are, so all must have gone out from the same weights:
    then one direction means the same to each. All see the images that the pupil sees, augmented as
    they are (Beyer et al., "A good teacher is patient and consistent", 2022).

    Args:
        files: checkpoints, or exports in single or half precision with their manifest beside them.

    Raises:
        FaceFlowError: a file is unreadable, or no embedder.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        from faceflow_ml.export.graphs import load_graph

        super().__init__()
        graphs = [load_graph("embedder", file)[0] for file in files]
        self.models = nn.ModuleList([cast(IResNet, graph.model) for graph in graphs])
        self.requires_grad_(requires_grad=False).eval().to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Embed ``(n, 3, s, s)`` RGB images in [0, 255] as ``(n, 512)`` vectors."""
        return torch.stack([F.normalize(model(images)) for model in self.models]).mean(dim=0)


def _some_of_each(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Positions of the first ``most`` faces of every identity."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    return np.sort(order[np.arange(len(order)) - starts < most])


class ValidationFaces(torch.utils.data.Dataset[Tensor]):
    """Faces of a cache without augmentation, ``(3, s, s)`` uint8."""

    def __init__(self, cache: AlignedFaces, size: int) -> None:
        self.cache = cache
        self.transform = FaceTransform(size, augment=False)

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, index: int) -> Tensor:
        face = self.transform([self.cache.images[index]], 0)[0]
        return torch.from_numpy(face).permute(2, 0, 1)
