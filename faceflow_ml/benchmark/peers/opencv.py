"""OpenCV's detectors: the Haar cascade where OpenCV still has it, and YuNet by its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faceflow_ml.benchmark.peers.base import PeerDetector, PeerMissing, detections
from faceflow_ml.benchmark.peers.opencv4 import Opencv4Haar
from faceflow_ml.evaluation.detection import ImageDetections
from faceflow_ml.inference.types import ImageArray

_CASCADE = "haarcascade_frontalface_default.xml"
_YUNET = "face_detection_yunet*.onnx"
_LEAST_SCORE = 0.02


class HaarDetector:
    """Viola and Jones (2001) with the frontal cascade of ``cv2.data``."""

    def __init__(self) -> None:
        make: Any = getattr(cv2, "CascadeClassifier", None)
        file = Path(cv2.__file__).parent / "data" / _CASCADE
        if make is None or not file.is_file():
            lacking = "CascadeClassifier" if make is None else _CASCADE
            raise PeerMissing(f"OpenCV {cv2.__version__} as installed has no {lacking}")
        self._cascade = make(str(file))

    def detect(self, image: ImageArray) -> ImageDetections:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found, _, scores = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=1, minSize=(12, 12), outputRejectLevels=True
        )
        boxes = np.asarray(found, np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return detections(boxes, scores)


def open_haar(weights: Path | None) -> PeerDetector:
    """The cascade, from OpenCV 4 in a folder of ``weights`` where the installed one has none."""
    if hasattr(cv2, "CascadeClassifier"):
        return HaarDetector()
    return Opencv4Haar(weights)


class YunetDetector:
    """``cv2.FaceDetectorYN`` (Wu et al. 2023), of which OpenCV ships the code but not the weights.

    weights: a folder with ``face_detection_yunet*.onnx``.
    """

    def __init__(self, weights: Path | None = None) -> None:
        files = sorted(weights.glob(_YUNET)) if weights else []
        if not files:
            raise PeerMissing(
                f"no {_YUNET} in the folder of peers' weights; OpenCV's model zoo has it"
            )
        self._model = cv2.FaceDetectorYN.create(
            str(files[-1]), "", (320, 320), score_threshold=_LEAST_SCORE, nms_threshold=0.4
        )

    def detect(self, image: ImageArray) -> ImageDetections:
        self._model.setInputSize((image.shape[1], image.shape[0]))
        faces = self._model.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        if faces is None:
            return detections([], [])
        rows = np.asarray(faces, np.float32)
        boxes = rows[:, :4].copy()
        boxes[:, 2:] += boxes[:, :2]
        # The person's right eye comes first: the left one as seen in the image.
        return detections(boxes, rows[:, 14], rows[:, 4:14])
