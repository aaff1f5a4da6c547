"""A face engine that times another."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from api import metrics
from api.engine.engine import FaceEngine, FoundFaces
from faceflow_ml.clustering.confidence import ConfidenceModel

_log = logging.getLogger(__name__)


class MeasuredEngine:
    """Passes everything on, and reports to `api.metrics` and the log how long it took."""

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
        with _timed("detect"):
            found = self.engine.detect(image)
        metrics.FACES.inc(len(found.boxes))
        return found

    def embed(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with _timed("embed"):
            return self.engine.embed(crops)


@contextmanager
def _timed(stage: str) -> Iterator[None]:
    """The thread that calls has the ids of job and request: they are in the line."""
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - started
        metrics.ENGINE_SECONDS.labels(stage).observe(seconds)
        _log.info("engine", extra={"stage": stage, "seconds": round(seconds, 4)})
