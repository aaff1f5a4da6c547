"""Aligned faces with identities, decoded once into a memory map, and the dataset that trains on it.

A cache is a folder named by the fingerprint of its samples, and by the aligner that placed them, if
one did: ``images.npy`` (n, 112, 112, 3) uint8 and ``index.npz``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zipfile import BadZipFile

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from faceflow_ml.data.cache_folder import build_once
from faceflow_ml.data.face_transforms import FaceTransform
from faceflow_ml.data.fingerprint import fingerprint_samples
from faceflow_ml.data.progress import counted
from faceflow_ml.data.records import IdentitySample
from faceflow_ml.errors import FaceFlowError

if TYPE_CHECKING:
    from faceflow_ml.inference.aligner import FaceAligner

FACE_SIZE = 112


class FaceImages(Protocol):
    """Faces by position: ``(112, 112, 3)`` uint8 RGB, or ``(n, 112, 112, 3)`` for n positions."""

    def __getitem__(self, positions: Any, /) -> Any: ...


class AlignedFaces(Protocol):
    """Faces to train on; see `IdentityCache`."""

    labels: NDArray[np.int64]
    names: list[str]
    fingerprint: str

    @property
    def images(self) -> FaceImages: ...

    def __len__(self) -> int: ...


class IdentityCache:
    """Decoded faces of a complete cache folder.

    Attributes:
        images: ``(n, 112, 112, 3)`` uint8 RGB, memory-mapped.
        labels: ``(n,)`` int64, positions in ``names``.
        names: identity names, sorted.
        sources: ``(n,)`` the set each face came from.
        eye_px: ``(n,)`` float32 eye distance in the original photo, NaN where unknown.
        fingerprint: SHA-256 of the samples, and the contract id of the aligner that placed them.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.fingerprint = self.folder.name.removeprefix("identities-")
        try:
            self.images: NDArray[np.uint8] = np.load(self.folder / "images.npy", mmap_mode="r")
            with np.load(self.folder / "index.npz", allow_pickle=False) as index:
                self.labels: NDArray[np.int64] = index["labels"]
                self.names: list[str] = index["names"].tolist()
                self.sources: NDArray[np.str_] = index["sources"]
                self.eye_px: NDArray[np.float32] = index["eye_px"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise FaceFlowError(f"{self.folder}: no complete face cache: {error}") from error
        if len(self.images) != len(self.labels):
            raise FaceFlowError(
                f"{self.folder}: {len(self.images)} faces but {len(self.labels)} labels"
            )

    def __len__(self) -> int:
        return len(self.labels)


def build_identity_cache(
    samples: Sequence[IdentitySample], root: Path, aligner: FaceAligner | None = None
) -> IdentityCache:
    """Decode ``samples`` under ``root`` unless that was done before.

    Faces of another size than 112x112 are resized.

    Args:
        samples: aligned faces.
        root: folder of caches.
        aligner: moves each face to where it would put it, so that an embedder sees faces as
            evenly placed in training as behind a detector that has this aligner.

    Raises:
        FaceFlowError: there are no samples, one cannot be decoded, or the cache cannot be written.
    """
    if not samples:
        raise FaceFlowError("there are no faces to train on")
    placed = "" if aligner is None else f"-{aligner.contract_id}"
    folder = root / f"identities-{fingerprint_samples(samples)}{placed}"
    return build_once(folder, IdentityCache, lambda empty: _decode_into(empty, samples, aligner))


def face_pixels(sample: IdentitySample) -> NDArray[np.uint8]:
    """The decoded face as ``(112, 112, 3)`` uint8 RGB, resized if it has another size.

    Raises:
        ImageError: it cannot be read.
    """
    face = sample.decode()
    if face.shape[:2] != (FACE_SIZE, FACE_SIZE):
        size = (FACE_SIZE, FACE_SIZE)
        face = np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA), np.uint8)
    return face


def _decode_into(
    folder: Path, samples: Sequence[IdentitySample], aligner: FaceAligner | None
) -> None:
    images = np.lib.format.open_memmap(
        folder / "images.npy",
        mode="w+",
        dtype=np.uint8,
        shape=(len(samples), FACE_SIZE, FACE_SIZE, 3),
    )

    def decode(position: int) -> None:
        face = face_pixels(samples[position])
        images[position] = face if aligner is None else aligner.place(face[None])[0]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        placed = pool.map(decode, range(len(samples)))
        for _ in counted(placed, "Decoding faces", len(samples)):
            pass
    images.flush()
    names, labels = np.unique([sample.identity for sample in samples], return_inverse=True)
    np.savez(
        folder / "index.npz",
        labels=labels.astype(np.int64),
        names=names,
        sources=np.array([sample.source for sample in samples]),
        eye_px=np.array([sample.eye_px for sample in samples], np.float32),
    )


def batch_seed(seed: int, epoch: int, first: int) -> int:
    """Seed of all random choices of the batch that begins at position ``first`` of an epoch."""
    return int(np.random.SeedSequence((seed, epoch, first)).generate_state(1)[0])


class FaceDataset(Dataset[tuple[Tensor, Tensor]]):
    """Batches of augmented faces.

    Indices are ``(epoch, position)`` pairs, as `EpochSampler` yields them. Whole batches are
    fetched at once: the augmentation's random state depends on the seed, the epoch and the first
    position of the batch alone, so that a resumed run sees what an undisturbed one would have.
    """

    def __init__(self, cache: AlignedFaces, transform: FaceTransform, *, seed: int) -> None:
        self.cache = cache
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.cache)

    def __getitems__(self, indices: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Return images ``(n, 3, s, s)`` uint8, channels last in memory, and labels ``(n,)``."""
        epoch, first = indices[0]
        positions = [position for _, position in indices]
        seed = batch_seed(self.seed, epoch, first)
        faces = self.transform([self.cache.images[i] for i in positions], seed)
        images = torch.from_numpy(faces).permute(0, 3, 1, 2)
        return images, torch.from_numpy(self.cache.labels[positions])
