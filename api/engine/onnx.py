"""The face engine of one machine: ONNX Runtime in this process."""

from __future__ import annotations

import os
from functools import cached_property
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from api.engine.engine import FoundFaces, aligned
from faceflow_ml.clustering.batch import THRESHOLD
from faceflow_ml.clustering.confidence import ConfidenceModel
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.quality import norm_factor


class OnnxFaceEngine:
    """The shipped models, or others by name, path or ``models:/`` URI; loaded at first use.

    Each call runs on the calling thread alone, so that several photos in work keep all cores busy.

    Raises:
        WeightsError: at first use, if the weights are missing or altered.
    """

    def __init__(
        self,
        *,
        detector: str | os.PathLike[str] | None = None,
        embedder: str | os.PathLike[str] | None = None,
    ) -> None:
        self._detector_name = detector
        self._embedder_name = embedder
        self._loading = Lock()

    @cached_property
    def _models(self) -> tuple[FaceDetector, FaceEmbedder]:
        cv2.setNumThreads(1)  # photos in work fill the cores by themselves
        return (
            FaceDetector.from_pretrained(self._detector_name, threads=1),
            FaceEmbedder.from_pretrained(self._embedder_name, threads=1),
        )

    def load(self) -> tuple[FaceDetector, FaceEmbedder]:
        """The models, loaded once whoever asks first."""
        with self._loading:
            return self._models

    @property
    def contract_id(self) -> str:
        """Of the embedder: vectors of different ids are never compared."""
        return self.load()[1].contract_id

    @property
    def threshold(self) -> float:
        """The embedder's calibrated threshold, or the library's default."""
        calibrated = self.load()[1].match_threshold
        return THRESHOLD if calibrated is None else calibrated

    @property
    def confidence(self) -> ConfidenceModel | None:
        """The embedder's calibrated model of how sure groups are."""
        return ConfidenceModel.of_calibration(self.load()[1].calibration)

    def detect(self, image: NDArray[np.uint8]) -> FoundFaces:
        """Find the faces of an (h, w, 3) RGB photo; those that cannot be aligned are left out."""
        return aligned(image, self.load()[0].detect(image))

    def embed(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors (n, 512), and factors (n,) of quality from the lengths of the embeddings."""
        embedder = self.load()[1]
        vectors, norms = embedder.embed_with_norms(crops)
        return vectors, norm_factor(norms, embedder.norm_range)
