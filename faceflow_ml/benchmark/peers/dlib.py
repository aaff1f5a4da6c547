"""dlib's HOG detector and 128-D ResNet, as the package face_recognition puts them together."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from faceflow_ml.benchmark.peers.base import (
    FloatArray,
    PeerFaces,
    PeerMissing,
    detections,
    need,
)
from faceflow_ml.evaluation.detection import ImageDetections
from faceflow_ml.inference.types import ImageArray

INSTALL = "pip install --no-deps dlib-bin face-recognition-models"
UPSAMPLE = 1
"""Times that the photo is doubled before the search: the default of face_recognition."""
GROUP_DISTANCE = 0.5
"""Of vectors that Chinese whispers join: dlib's own example of face clustering."""
_LEAST_SCORE = -1.0


class DlibDetector:
    """``dlib.get_frontal_face_detector``: a sliding window over histograms of gradients."""

    def __init__(self, _weights: Path | None = None) -> None:
        self._detector = need("dlib", INSTALL).get_frontal_face_detector()

    def detect(self, image: ImageArray) -> ImageDetections:
        return _detections(*self._detector.run(image, UPSAMPLE, _LEAST_SCORE)[:2])


class DlibRecognizer:
    """HOG detector at its own threshold, five-point predictor and ResNet."""

    def __init__(self, _weights: Path | None = None) -> None:
        dlib = need("dlib", INSTALL)
        folder = models_folder()
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
        self._embedder = dlib.face_recognition_model_v1(
            str(folder / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def faces(self, image: ImageArray) -> PeerFaces:
        boxes, scores, _ = self._detector.run(image, UPSAMPLE, 0.0)
        return PeerFaces(_detections(boxes, scores), self._embed(image, boxes))

    def similarity(self, a: FloatArray, b: FloatArray) -> float:
        """1 less the Euclidean distance, by which dlib compares."""
        return float(np.clip(1.0 - np.linalg.norm(a - b), -1.0, 1.0))

    def _embed(self, image: ImageArray, boxes: Any) -> FloatArray:
        vectors = [
            np.array(self._embedder.compute_face_descriptor(image, self._predictor(image, box), 1))
            for box in boxes
        ]
        return np.asarray(vectors, np.float32).reshape(-1, 128)


def models_folder() -> Path:
    """Where face_recognition_models keeps its weights.

    The package itself is not imported: it needs pkg_resources, which setuptools no longer has.

    Raises:
        PeerMissing: the package is not installed.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise PeerMissing(f"No module named 'face_recognition_models'; to install: {INSTALL}")
    return Path(next(iter(spec.submodule_search_locations))) / "models"


def _detections(boxes: Any, scores: Any) -> ImageDetections:
    # dlib's corners are pixels that belong to the box; ours are the edges around them.
    corners = [[b.left(), b.top(), b.right() + 1, b.bottom() + 1] for b in boxes]
    return detections(corners, list(scores))
