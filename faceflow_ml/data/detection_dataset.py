"""Photos as tensors for the detector: augmented for training, reproducibly; plain for testing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from faceflow_ml.data.detection_transforms import TrainTransform, ValTransform, ViewOptions
from faceflow_ml.data.mosaic import Mosaic
from faceflow_ml.data.records import DetectionSample, Faces, Photo


@dataclass(frozen=True, eq=False)
class Targets:
    """The faces of one image as tensors.

    Attributes:
        boxes: (n, 4) float32 ``x1, y1, x2, y2`` in pixels of the image.
        landmarks: (n, 5, 2) float32 in pixels, 0 where unknown.
        landmark_valid: (n, 5) bool, true where the point is known.
        ignore: (n,) bool, true where the detector is neither rewarded nor punished.
    """

    boxes: Tensor
    landmarks: Tensor
    landmark_valid: Tensor
    ignore: Tensor

    def __len__(self) -> int:
        return len(self.boxes)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Targets:
        """The same on ``device``."""
        return Targets(*(t.to(device, non_blocking=non_blocking) for t in self._tensors()))

    def pin_memory(self) -> Targets:
        """The same in page-locked memory; called by a loader with ``pin_memory=True``."""
        return Targets(*(t.pin_memory() for t in self._tensors()))

    @staticmethod
    def of(faces: Faces) -> Targets:
        """Tensors of ``faces``."""
        valid = np.asarray(np.isfinite(faces.landmarks).all(axis=2))
        landmarks = np.where(valid[:, :, None], faces.landmarks, np.float32(0))
        return Targets(
            torch.from_numpy(faces.boxes.copy()),
            torch.from_numpy(landmarks),
            torch.from_numpy(valid),
            torch.from_numpy(faces.ignore.copy()),
        )

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.boxes, self.landmarks, self.landmark_valid, self.ignore


class PhotoSource(Protocol):
    """Photos by position: a :class:`~faceflow_ml.data.detection_cache.DetectionCache`, say."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Photo | DetectionSample: ...


class DetectionDataset(Dataset[tuple[Tensor, Targets]]):
    """Photos of one or more sources, seen anew every epoch.

    Args:
        cache: photos, usually a :class:`~faceflow_ml.data.detection_cache.DetectionCache`.
        size: side of the square images in pixels.
        train: augment; else the whole photo is letterboxed and nothing is random.
        mosaic_probability: how often a training image is a mosaic of four photos.
        seed: with the epoch and the index it determines every training image, so that a resumed
            run sees what the unbroken one would have.
        extra_sources: more photos, appended: lists of samples, or caches of them.
        view: how training views vary.
        pixel_strength: how often pixels are augmented, in [0, 1].

    Raises:
        ValueError: a size that is no positive multiple of 32, a probability outside [0, 1], or no
            photos at all.
    """

    def __init__(
        self,
        cache: PhotoSource,
        size: int,
        train: bool,
        mosaic_probability: float = 0.0,
        seed: int = 0,
        extra_sources: Sequence[PhotoSource] = (),
        *,
        view: ViewOptions | None = None,
        pixel_strength: float = 1.0,
    ) -> None:
        if size <= 0 or size % 32:
            raise ValueError(f"size must be a positive multiple of 32, got {size}")
        if not 0 <= mosaic_probability <= 1:
            raise ValueError(f"mosaic_probability must be in [0, 1], got {mosaic_probability}")
        self.sources = [cache, *extra_sources]
        self._ends = list(accumulate(len(source) for source in self.sources))
        if not self._ends[-1]:
            raise ValueError("no photos to train or test on")
        self.size = size
        self.train = train
        self.mosaic_probability = mosaic_probability
        self.seed = seed
        # Shared, since loader workers that outlive an epoch hold their own copy of this object.
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()
        self._train_transform = TrainTransform(size, view=view, pixel_strength=pixel_strength)
        self._val_transform = ValTransform(size)
        self._mosaic = Mosaic(size)

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def epoch(self) -> int:
        """The epoch whose images are given out."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Give out the images of ``epoch`` from now on, in running loader workers too."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int | tuple[int, int]) -> tuple[Tensor, Targets]:
        """Image (3, size, size) uint8 RGB, and its faces.

        Args:
            index: a position, or (epoch, position) to see another epoch than that which was set.
        """
        epoch, position = index if isinstance(index, tuple) else (self.epoch, index)
        if get_worker_info() is not None:
            cv2.setNumThreads(0)  # the workers are the threads
        if self.train:
            photo = self.augmented(position, epoch)
        else:
            photo = self._val_transform(self.photo(position))
        pixels = np.ascontiguousarray(photo.image.transpose(2, 0, 1))
        return torch.from_numpy(pixels), Targets.of(photo.faces)

    def photo(self, index: int) -> Photo:
        """The photo at ``index`` as it is in its source.

        Raises:
            IndexError: ``index`` is outside [0, len).
        """
        if not 0 <= index < len(self):
            raise IndexError(f"photo {index} of {len(self)}")
        which = int(np.searchsorted(self._ends, index, side="right"))
        item = self.sources[which][index - (self._ends[which - 1] if which else 0)]
        return item.load() if isinstance(item, DetectionSample) else item

    def augmented(self, index: int, epoch: int) -> Photo:
        """The training image at ``index`` in ``epoch``, as (size, size, 3)."""
        rng = np.random.default_rng([self.seed, epoch, index])
        photo = self.photo(index)
        if rng.random() < self.mosaic_probability:
            others = [self.photo(int(i)) for i in rng.integers(len(self), size=3)]
            return self._train_transform.pixels(self._mosaic([photo, *others], rng), rng)
        return self._train_transform(photo, rng)


def collate(samples: Sequence[tuple[Tensor, Targets]]) -> tuple[Tensor, list[Targets]]:
    """A batch: images (n, 3, size, size) uint8 and the faces of each."""
    return torch.stack([image for image, _ in samples]), [targets for _, targets in samples]
