"""Decoded photos in one memory-mapped file, so that training spends no time decoding.

A cache is a folder named by the fingerprint of its samples: ``images.bin`` (the pixels of every
photo, one after another) and ``index.npz`` (where each photo lies, and its faces).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.cache_folder import build_once
from faceflow_ml.data.detection_geometry import shrink
from faceflow_ml.data.fingerprint import sample_entry
from faceflow_ml.data.progress import counted
from faceflow_ml.data.records import DetectionSample, Faces, ImageArray, Photo
from faceflow_ml.errors import FaceFlowError

_FORMAT = "1"
_PIXELS = "images.bin"
_INDEX = "index.npz"


class DetectionCache(Sequence[Photo]):
    """Random access to the decoded photos of a complete cache folder.

    ``cache[i]`` is a :class:`Photo` whose image is a read-only view of the memory map. Cheap to
    send to worker processes: they open the map again.

    Raises:
        FaceFlowError: the folder holds no complete cache.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            with np.load(self.folder / _INDEX, allow_pickle=False) as index:
                self._shapes: NDArray[np.int64] = index["shapes"]
                self._first_face: NDArray[np.int64] = index["first_face"]
                self._faces = Faces(index["boxes"], index["landmarks"], index["ignore"])
                self.names: list[str] = index["names"].tolist()
            size = (self.folder / _PIXELS).stat().st_size
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise FaceFlowError(f"{self.folder}: no complete photo cache: {error}") from error
        lengths = self._shapes[:, 0] * self._shapes[:, 1] * 3
        self._offsets = np.concatenate([[0], np.cumsum(lengths)])
        if size != self._offsets[-1]:
            raise FaceFlowError(
                f"{self.folder}: {_PIXELS} has {size} bytes, expected {self._offsets[-1]}"
            )
        self._pixels: ImageArray = (
            np.memmap(self.folder / _PIXELS, np.uint8, "r") if size else np.zeros(0, np.uint8)
        )

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> Photo:  # type: ignore[override]
        if not -len(self) <= index < len(self):
            raise IndexError(f"photo {index} of {len(self)}")
        index %= len(self)
        height, width = self._shapes[index]
        pixels = self._pixels[self._offsets[index] : self._offsets[index + 1]]
        start, stop = self._first_face[index : index + 2]
        faces = Faces(
            self._faces.boxes[start:stop],
            self._faces.landmarks[start:stop],
            self._faces.ignore[start:stop],
        )
        return Photo(np.asarray(pixels).reshape(height, width, 3), faces)

    def __reduce__(self) -> tuple[type[DetectionCache], tuple[Path]]:
        return DetectionCache, (self.folder,)


def open_detection_cache(
    samples: Sequence[DetectionSample],
    root: str | PathLike[str],
    *,
    max_side: int = 1024,
    threads: int = 2,
) -> DetectionCache:
    """The cache of ``samples`` below ``root``, built first where it is missing or damaged.

    Args:
        samples: photos to decode, in the order that the cache will have.
        root: folder that holds caches; each takes its photos' width x height x 3 bytes.
        max_side: photos with a longer side are scaled down to it, with their faces.
        threads: photos decoded at a time.

    Raises:
        FaceFlowError: ``samples`` is empty, or the cache cannot be written.
        ImageError: a photo cannot be decoded.
        ValueError: ``max_side`` or ``threads`` is below 1.
    """
    if not samples:
        raise FaceFlowError("no photos to cache")
    if max_side < 1 or threads < 1:
        raise ValueError(f"max_side and threads must be positive, got {max_side} and {threads}")
    folder = Path(root) / f"detection-{_key(samples, max_side)}"
    return build_once(
        folder, DetectionCache, lambda empty: _build(samples, empty, max_side, threads)
    )


def _key(samples: Sequence[DetectionSample], max_side: int) -> str:
    """Names the cache by content and, unlike a fingerprint, by order."""
    digest = hashlib.sha256(f"format {_FORMAT} {max_side}\n".encode())
    for sample in samples:
        digest.update(repr(sample_entry(sample)).encode())
    return digest.hexdigest()[:16]


def _build(samples: Sequence[DetectionSample], folder: Path, max_side: int, threads: int) -> None:
    def load(sample: DetectionSample) -> Photo:
        return shrink(sample.load(), max_side)

    shapes: list[tuple[int, ...]] = []
    faces: list[Faces] = []
    with (folder / _PIXELS).open("wb") as stream, ThreadPoolExecutor(threads) as pool:
        # In slices: `map` would decode far ahead of the disk and fill memory.
        slices = (samples[start : start + 64] for start in range(0, len(samples), 64))
        photos = (photo for part in slices for photo in pool.map(load, part))
        for photo in counted(photos, "Decoding photos", len(samples)):
            stream.write(np.ascontiguousarray(photo.image).data)
            shapes.append(photo.image.shape[:2])
            faces.append(photo.faces)
        stream.flush()
        os.fsync(stream.fileno())
    joined = Faces.concatenate(faces)
    np.savez(
        folder / _INDEX,
        shapes=np.array(shapes, np.int64),
        first_face=np.cumsum([0] + [len(f) for f in faces], dtype=np.int64),
        boxes=joined.boxes,
        landmarks=joined.landmarks,
        ignore=joined.ignore,
        names=np.array([s.name for s in samples], np.str_),
    )
