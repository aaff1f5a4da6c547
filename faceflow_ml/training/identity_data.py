"""Aligned faces of known people for training: what the embedder's and the aligner's data share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from faceflow_ml.data.identities import AlignedFaces, IdentityCache, build_identity_cache
from faceflow_ml.data.identity_sources import read_identities
from faceflow_ml.data.samplers import class_balanced_weights
from faceflow_ml.training.config import IdentityDataConfig
from faceflow_ml.training.loaders import resumable_loader

if TYPE_CHECKING:
    from faceflow_ml.inference.aligner import FaceAligner


class IdentityData(L.LightningDataModule, ABC):
    """Identity caches and the loader of the training one; resumes inside an epoch.

    Args:
        config: where faces come from.
        seed: of fictional people and of the order of faces.
        aligner: places every face again; None leaves them as they are.
    """

    def __init__(
        self, config: IdentityDataConfig, seed: int, aligner: FaceAligner | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self._aligner = aligner
        self.seed = seed
        self.train_cache: AlignedFaces
        self.val_cache: IdentityCache | None = None

    def prepare(self) -> None:
        """Decode what is not in the cache yet; call before the model is built."""
        config = self.config
        train = read_identities(
            config.train,
            "train",
            limit=config.limit,
            labels=config.labels,
            strangers=config.strangers,
            synthetic_people=config.synthetic_people,
            synthetic_faces=config.synthetic_faces,
            seed=self.seed,
            cache=config.cache,
        )
        self.train_cache = build_identity_cache(train, config.cache, self._aligner)
        if config.val is not None:
            val = read_identities(config.val, "val", limit=config.limit)
            self.val_cache = build_identity_cache(val, config.cache, self._aligner)

    @abstractmethod
    def train_dataset(self) -> Dataset[tuple[Tensor, Tensor]]:
        """What training sees, in whole batches."""

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        assert self.trainer is not None
        balance = self.config.balance
        labels = self.train_cache.labels
        return resumable_loader(
            self.train_dataset(),
            self.trainer,
            weights=class_balanced_weights(labels, balance) if balance else None,
            batch_size=self.config.batch_size,
            workers=self.config.workers,
            seed=self.seed,
        )
