"""insightface's SCRFD and ArcFace, where package and weights are there already."""

from __future__ import annotations

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

INSTALL = "pip install insightface"
PACKS = ("buffalo_l", "buffalo_m", "buffalo_s", "antelopev2")
HOME = Path("~/.insightface")
_LEAST_SCORE = 0.02


def find_pack(weights: Path | None) -> tuple[Path, str]:
    """Root folder and name of the first pack of models that is on the disk.

    weights: a folder with ``models/<pack>``; ``~/.insightface`` is looked into after it.

    Raises:
        PeerMissing: there is none. The package would download one; a benchmark must not.
    """
    for root in (*([weights] if weights else []), HOME.expanduser()):
        for pack in PACKS:
            if any((root / "models" / pack).glob("*.onnx")):
                return root, pack
    raise PeerMissing(f"none of the packs {', '.join(PACKS)} in {HOME}/models")


def _open(weights: Path | None, modules: list[str], threshold: float | None) -> Any:
    root, pack = find_pack(weights)
    package = need("insightface.app", INSTALL)
    app = package.FaceAnalysis(
        name=pack, root=str(root), allowed_modules=modules, providers=["CPUExecutionProvider"]
    )
    options = {} if threshold is None else {"det_thresh": threshold}
    app.prepare(ctx_id=-1, **options)
    return app


class InsightfaceDetector:
    """SCRFD at 640 pixels, its default."""

    def __init__(self, weights: Path | None = None) -> None:
        self._app = _open(weights, ["detection"], _LEAST_SCORE)

    def detect(self, image: ImageArray) -> ImageDetections:
        return _detections(self._app.get(_bgr(image)))


class InsightfaceRecognizer:
    """SCRFD at its own threshold and ArcFace, compared by cosine."""

    def __init__(self, weights: Path | None = None) -> None:
        self._app = _open(weights, ["detection", "recognition"], None)

    def faces(self, image: ImageArray) -> PeerFaces:
        found = self._app.get(_bgr(image))
        vectors = np.array([face.normed_embedding for face in found], np.float32)
        return PeerFaces(_detections(found), vectors.reshape(len(found), -1 if found else 512))

    def similarity(self, a: FloatArray, b: FloatArray) -> float:
        return float(np.dot(a, b))


def _bgr(image: ImageArray) -> ImageArray:
    return np.ascontiguousarray(image[:, :, ::-1])


def _detections(found: Any) -> ImageDetections:
    return detections(
        [face.bbox for face in found],
        [face.det_score for face in found],
        [face.kps for face in found],
    )
