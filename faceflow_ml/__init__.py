"""FaceFlow: find and group the people in piles of photos."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "Detections": "faceflow_ml.inference.types",
    "FaceDetector": "faceflow_ml.inference.detector",
    "FaceEmbedder": "faceflow_ml.inference.embedder",
    "FacePipeline": "faceflow_ml.inference.pipeline",
    "FaceResult": "faceflow_ml.inference.types",
    "align_faces": "faceflow_ml.inference.alignment",
    "cluster_faces": "faceflow_ml.clustering.batch",
    "load_image": "faceflow_ml.inference.images",
}

__all__ = [*_EXPORTS, "__version__"]

if TYPE_CHECKING:
    from faceflow_ml.clustering.batch import cluster_faces as cluster_faces
    from faceflow_ml.inference.alignment import align_faces as align_faces
    from faceflow_ml.inference.detector import FaceDetector as FaceDetector
    from faceflow_ml.inference.embedder import FaceEmbedder as FaceEmbedder
    from faceflow_ml.inference.images import load_image as load_image
    from faceflow_ml.inference.pipeline import FacePipeline as FacePipeline
    from faceflow_ml.inference.types import Detections as Detections
    from faceflow_ml.inference.types import FaceResult as FaceResult


def __getattr__(name: str) -> Any:
    # Imported on first use: `faceflow_ml.data` must not cost a runtime session, nor the CLI's
    # --help the import of every library behind it.
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
