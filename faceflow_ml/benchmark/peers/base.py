"""What a peer offers, and what is said of one that is not here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.evaluation.detection import ImageDetections
from faceflow_ml.inference.types import ImageArray

FloatArray = NDArray[np.float32]


class PeerMissing(Exception):
    """A peer cannot be measured here; the message says why, and how to get it."""


class PeerDetector(Protocol):
    """A face detector on one thread."""

    def detect(self, image: ImageArray) -> ImageDetections:
        """Everything that may be a face in a photo (h, w, 3) uint8 RGB, however unsure.

        Scores only rank; landmarks are NaN where the detector finds none.
        """


@dataclass(frozen=True, eq=False)
class PeerFaces:
    """The faces that a peer finds at its own threshold, and their vectors (n, d)."""

    found: ImageDetections
    vectors: FloatArray


class PeerRecognizer(Protocol):
    """A detector with an embedder, as its makers use them together."""

    def faces(self, image: ImageArray) -> PeerFaces:
        """The faces of a photo (h, w, 3) uint8 RGB."""

    def similarity(self, a: FloatArray, b: FloatArray) -> float:
        """How alike two vectors (d,) are, in [-1, 1]; higher is more alike."""


@dataclass(frozen=True)
class Peer:
    """A peer by name. Either opener raises `PeerMissing`; it takes the folder of weights that no
    package carries, None where there is none."""

    name: str
    detector: Callable[[Path | None], PeerDetector] | None = None
    recognizer: Callable[[Path | None], PeerRecognizer] | None = None


def need(package: str, how: str) -> Any:
    """Import an optional package.

    Raises:
        PeerMissing: it is not installed, or does not load; ``how`` to install it is in the
            message.
    """
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise PeerMissing(f"{error}; to install: {how}") from error


def no_landmarks(n: int) -> FloatArray:
    """(n, 5, 2) NaN."""
    return np.full((n, 5, 2), np.nan, np.float32)


def detections(boxes: Any, scores: Any, landmarks: Any = None) -> ImageDetections:
    """From lists or arrays of n boxes xyxy, scores and, where known, five landmarks."""
    corners = np.asarray(boxes, np.float32).reshape(-1, 4)
    points = (
        no_landmarks(len(corners))
        if landmarks is None
        else np.asarray(landmarks, np.float32).reshape(-1, 5, 2)
    )
    return ImageDetections(corners, np.asarray(scores, np.float32).reshape(-1), points)
