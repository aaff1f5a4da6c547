"""Vectors of aligned faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.images import ImageLimits, load_image
from faceflow_ml.inference.session import Device
from faceflow_ml.inference.types import CROP_SIZE, EMBEDDING_DIM, FloatArray, ImageArray
from serving.handler import model_info

_SHAPE = (CROP_SIZE, CROP_SIZE, 3)
# Generous to whoever sends a photo by mistake and should be told so, not a load.
_LIMITS = ImageLimits(max_pixels=4_000_000)


@dataclass(frozen=True, eq=False)
class Embedding:
    """vector: (512,) float32, L2-normalised. norm: its length before, larger for clearer faces."""

    vector: FloatArray
    norm: float


class EmbeddingHandler:
    """From crops (112, 112, 3) uint8 RGB to embeddings."""

    def __init__(self, model_dir: Path | None, *, threads: int | None, device: Device) -> None:
        self.info = model_info("embedding", model_dir)
        self._embedder = FaceEmbedder.from_pretrained(model_dir, threads=threads, device=device)

    def warm_up(self, batch: int) -> None:
        for size in {1, batch}:
            self._embedder.embed(np.zeros((size, *_SHAPE), np.uint8), batch_size=size)

    def decode(self, data: bytes) -> ImageArray:
        crop = load_image(data, limits=_LIMITS)
        if crop.shape != _SHAPE:
            height, width = crop.shape[:2]
            raise ValueError(
                f"expected an aligned face of {CROP_SIZE} x {CROP_SIZE} pixels, "
                f"got {width} x {height}"
            )
        return crop

    def split(self, array: ImageArray) -> list[ImageArray]:
        if array.ndim != 4 or array.shape[1:] != _SHAPE:
            raise ValueError(
                f"expected aligned faces (n, {CROP_SIZE}, {CROP_SIZE}, 3), got shape {array.shape}"
            )
        return list(array)

    def run(self, images: Sequence[ImageArray]) -> Sequence[Embedding]:
        found = self._embedder.embed_with_norms(np.stack(images), batch_size=len(images))
        return [Embedding(vector, float(norm)) for vector, norm in zip(*found, strict=True)]

    def to_json(self, answers: Sequence[Embedding], *, single: bool) -> Any:  # noqa: ARG002
        return {
            "embeddings": [answer.vector.tolist() for answer in answers],
            "norms": [answer.norm for answer in answers],
            "contract_id": self.info.contract_id,
        }

    def to_array(self, answers: Sequence[Embedding]) -> FloatArray:
        vectors = [answer.vector for answer in answers]
        return np.asarray(vectors, np.float32).reshape(-1, EMBEDDING_DIM)
