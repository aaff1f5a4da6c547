"""The `FaceEngine` port: from photos to faces and vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.confidence import ConfidenceModel
from faceflow_ml.inference.alignment import align_faces, alignable
from faceflow_ml.inference.quality import face_quality
from faceflow_ml.inference.types import Detections


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """The faces of one photo, the most certain first.

    Attributes:
        boxes: (n, 4) float32 x1, y1, x2, y2 in pixels of the upright photo.
        scores: (n,) float32 in [0, 1].
        landmarks: (n, 5, 2) float32 pixels.
        quality: (n,) float32 in [0, 1] as far as the photo shows; poor faces found no group.
        crops: (n, 112, 112, 3) uint8 RGB, aligned.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    quality: NDArray[np.float32]
    crops: NDArray[np.uint8]


class FaceEngine(Protocol):
    """Calls block; may be made from any thread."""

    @property
    def contract_id(self) -> str:
        """Which vectors it makes: vectors of different ids are never compared."""
        ...

    @property
    def threshold(self) -> float:
        """Cosine similarity at which two faces are as likely as not one person."""
        ...

    @property
    def confidence(self) -> ConfidenceModel | None:
        """How sure groups of its vectors are; None if it was not calibrated for that."""
        ...

    def detect(self, image: NDArray[np.uint8]) -> FoundFaces:
        """Find the faces of an (h, w, 3) RGB photo."""
        ...

    def embed(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, 112, 112, 3) aligned faces to (n, 512) L2-normalised vectors, and what the embedder
        thinks of each face: factors (n,) in [0, 1] to multiply its quality by."""
        ...


def aligned(image: NDArray[np.uint8], found: Detections) -> FoundFaces:
    """What was detected in an (h, w, 3) RGB photo, cut out and judged; faces that cannot be aligned
    are left out. It is done here on every home, so that the same photo gives the same faces."""
    found = found.select(alignable(found.landmarks))
    crops = align_faces(image, found.landmarks)
    return FoundFaces(
        boxes=found.boxes,
        scores=found.scores,
        landmarks=found.landmarks,
        quality=face_quality(image, found, crops=crops),
        crops=crops,
    )
