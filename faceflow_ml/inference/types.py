"""What the detector and the pipeline return."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]

EMBEDDING_DIM = 512
CROP_SIZE = 112
VIEW_SIZE = 64  # side of what aligner and refiner see of one face


@dataclass(frozen=True, eq=False)
class Detections:
    """The faces of one photo, sorted by descending score.

    boxes: (n, 4) float32, x1 y1 x2 y2 in pixels of the photo, inside its borders.
    scores: (n,) float32 in [0, 1].
    landmarks: (n, 5, 2) float32 pixels: left eye, right eye, nose, left and right mouth corner,
        as seen in the image. They may lie outside the photo when the face is cut by its border.

    Raises ValueError if the shapes do not agree.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray

    def __post_init__(self) -> None:
        for name in ("boxes", "scores", "landmarks"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float32))
        n = len(self.scores) if self.scores.ndim == 1 else -1
        if n < 0 or self.boxes.shape != (n, 4) or self.landmarks.shape != (n, 5, 2):
            raise ValueError(
                "expected boxes (n, 4), scores (n,) and landmarks (n, 5, 2), got "
                f"{self.boxes.shape}, {self.scores.shape} and {self.landmarks.shape}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, index: npt.ArrayLike | slice) -> Detections:
        """The faces at ``index``: a slice, integer indices or a boolean mask of length n."""
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.size == 0 and index.dtype != bool:
                index = index.astype(np.int64)
            if index.ndim != 1 or index.dtype.kind not in "biu":
                raise ValueError("expected a slice, integer indices (k,) or a boolean mask (n,)")
        return Detections(self.boxes[index], self.scores[index], self.landmarks[index])

    @classmethod
    def empty(cls) -> Detections:
        """No faces."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, 5, 2), np.float32),
        )


@dataclass(frozen=True, eq=False)
class FaceResult:
    """Everything the pipeline knows about the n faces of one photo.

    detections: boxes, scores and landmarks.
    crops: (n, 112, 112, 3) uint8 RGB, aligned to the ArcFace template.
    vectors: (n, 512) float32, L2-normalised.
    quality: (n,) float32 in [0, 1], see ``faceflow_ml.inference.quality``.
    """

    detections: Detections
    crops: ImageArray
    vectors: FloatArray
    quality: FloatArray

    def __len__(self) -> int:
        return len(self.detections)
