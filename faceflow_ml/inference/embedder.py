"""Face embeddings from aligned crops."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from faceflow_ml.errors import WeightsError
from faceflow_ml.inference import pretrained
from faceflow_ml.inference.checks import check_count, check_crops
from faceflow_ml.inference.pretrained import EmbedderPreprocessing, Weights
from faceflow_ml.inference.quality import norm_range
from faceflow_ml.inference.session import Device, open_session
from faceflow_ml.inference.types import EMBEDDING_DIM, FloatArray, ImageArray

_OUTPUTS = {"embeddings": 2, "norms": 1}


class FaceEmbedder:
    """Turns aligned faces into vectors; loads an ONNX model that obeys the embedder contract.

    The model takes ``images`` uint8 (n, 112, 112, 3) RGB, and gives ``embeddings`` (n, 512) and
    ``norms`` (n,), the vectors' length before normalisation.

    model: a path to an ONNX file or a weights folder, or the bytes of an ONNX file.
    threads: threads for one inference, None for all cores. device: "cpu", "cuda" or "auto".
    Raises WeightsError if the model is missing, altered or of another kind.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        threads: int | None = None,
        device: Device = "cpu",
    ):
        if isinstance(model, bytes):
            weights = pretrained.from_bytes("embedder", model)
        else:
            weights = pretrained.resolve("embedder", os.path.abspath(model))
        self._load(weights, threads, device)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        device: Device = "cpu",
    ) -> FaceEmbedder:
        """The shipped embedder, or ``name``: one of the manifest, a path, or ``models:/...``."""
        embedder = cls.__new__(cls)
        embedder._load(pretrained.resolve("embedder", name), threads, device)
        return embedder

    def _load(self, weights: Weights, threads: int | None, device: Device) -> None:
        pretrained.parse_preprocessing(EmbedderPreprocessing, weights)
        self._weights = weights
        self._session = open_session(weights.model, _OUTPUTS, threads=threads, device=device)

    @property
    def contract_id(self) -> str:
        """Hash of weights and preprocessing; vectors of different ids are never compared."""
        return self._weights.contract_id

    @property
    def calibration(self) -> Mapping[str, float]:
        """The numbers that the manifest keeps for these weights; empty if there are none."""
        return self._weights.calibration

    @property
    def match_threshold(self) -> float | None:
        """Calibrated cosine similarity above which two faces are one person, if known."""
        return self._weights.calibration.get("match_threshold")

    @property
    def norm_range(self) -> tuple[float, float] | None:
        """Calibrated norms of a useless and of a perfect face, if known."""
        return norm_range(self._weights.calibration)

    def embed(self, crops: ImageArray, *, batch_size: int = 32) -> FloatArray:
        """Vectors of aligned faces.

        crops: (n, 112, 112, 3) uint8 RGB, as ``align_faces`` cuts them; n may be 0.
        Returns (n, 512) float32, L2-normalised.
        Raises ValueError for other arguments.
        """
        return self.embed_with_norms(crops, batch_size=batch_size)[0]

    def embed_with_norms(
        self, crops: ImageArray, *, batch_size: int = 32
    ) -> tuple[FloatArray, FloatArray]:
        """``embed``, and the lengths (n,) before normalisation: larger for clearer faces."""
        crops = check_crops(crops)
        batch_size = check_count(batch_size, "batch_size")
        vectors = np.zeros((len(crops), EMBEDDING_DIM), dtype=np.float32)
        norms = np.zeros(len(crops), dtype=np.float32)
        for start in range(0, len(crops), batch_size):
            part = slice(start, start + batch_size)
            vectors[part], norms[part] = self._run(crops[part])
        return vectors, norms

    def _run(self, crops: ImageArray) -> tuple[FloatArray, FloatArray]:
        vectors, norms = self._session.run(crops)
        if vectors.shape[1] != EMBEDDING_DIM:
            raise WeightsError(
                f"{self._weights.name}: expected embeddings (n, {EMBEDDING_DIM}), "
                f"got {vectors.shape}"
            )
        # Unit length up to the rounding of half-precision and quantised graphs; exact from here.
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.abs(lengths - 1.0) < 0.05).all():
            raise WeightsError(f"{self._weights.name}: the embeddings are not L2-normalised")
        return vectors / lengths, norms
