"""MTCNN of facenet-pytorch; its weights come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faceflow_ml.benchmark.peers.base import detections, need
from faceflow_ml.evaluation.detection import ImageDetections
from faceflow_ml.inference.types import ImageArray

INSTALL = "pip install --no-deps facenet-pytorch (its pins are older than what it runs on)"
_THRESHOLDS = (0.6, 0.7, 0.1)  # its own for the first two networks; the last one only ranks


class MtcnnDetector:
    """P-Net, R-Net, O-Net (Zhang et al. 2016), with the package's default sizes."""

    def __init__(self, _weights: Path | None = None) -> None:
        package = need("facenet_pytorch", INSTALL)
        self._model = package.MTCNN(keep_all=True, thresholds=list(_THRESHOLDS), device="cpu")

    def detect(self, image: ImageArray) -> ImageDetections:
        boxes, scores, landmarks = self._model.detect(image, landmarks=True)
        if boxes is None:
            return detections([], [])
        return detections(
            np.stack(boxes).astype(np.float32), scores.astype(np.float32), np.stack(landmarks)
        )
