"""A face engine that times another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from api import metrics
from api.engine.engine import FaceEngine, FoundFaces
from faceflow_ml.clustering.confidence import ConfidenceModel


class MeasuredEngine:
    """Passes everything on, and reports to `api.metrics` how long it took."""

    def __init__(self, engine: FaceEngine) -> None:
        self.engine = engine

    @property
    def contract_id(self) -> str:
        """Of the engine that is timed."""
        return self.engine.contract_id

    @property
    def threshold(self) -> float:
        """Of the engine that is timed."""
        return self.engine.threshold

    @property
    def confidence(self) -> ConfidenceModel | None:
        """Of the engine that is timed."""
        return self.engine.confidence

    def detect(self, image: NDArray[np.uint8]) -> FoundFaces:
        with metrics.ENGINE_SECONDS.labels("detect").time():
            found = self.engine.detect(image)
        metrics.FACES.inc(len(found.boxes))
        return found

    def embed(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with metrics.ENGINE_SECONDS.labels("embed").time():
            return self.engine.embed(crops)
