"""A second look at each face, which corrects how its landmarks place it on the template.

A detector sees the whole photo and places landmarks some pixels off, by habits of the people who
marked its training photos. The aligner sees one face, cut out by those landmarks, and estimates the
similarity transform that takes it to where the embedder's training faces are (the idea of spatial
transformers, Jaderberg et al., 2015, arXiv:1506.02025, learnt from known displacements).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from faceflow_ml.inference import companions
from faceflow_ml.inference.alignment import (
    ARCFACE_TEMPLATE,
    align_faces,
    alignable,
    estimate_similarity,
    warp,
)
from faceflow_ml.inference.checks import check_image, check_landmarks
from faceflow_ml.inference.pretrained import AlignerPreprocessing
from faceflow_ml.inference.types import CROP_SIZE, VIEW_SIZE, FloatArray, ImageArray
from faceflow_ml.inference.view_model import ViewModel

VIEW_CENTRE = (56.0, 62.0)
VIEW_HALF = 38.0
"""The view is this far around its centre, in pixels of the 112x112 template: eyes, nose and mouth,
and nothing that an aligned training face does not show when it is turned or shifted a little."""

# More than the network was trained to correct: it sees no face there.
_FURTHEST = 0.35
_FRAME = 56  # pixels around a crop, more than the furthest correction brings in


class FaceAligner(ViewModel):
    """Corrects landmarks; loads an ONNX model that obeys the aligner contract.

    The model takes ``images`` uint8 (n, 64, 64, 3) RGB, and gives ``corrections`` (n, 4), a, b, x
    and y: a point p of the view, in template pixels from its centre, belongs on the template at
    p + [[a, -b], [b, a]] p + 2 * VIEW_HALF * (x, y) from there.
    """

    kind = "aligner"
    preprocessing = AlignerPreprocessing
    output = "corrections"
    columns = 4

    @classmethod
    def default(cls, *, threads: int | None = None) -> FaceAligner | None:
        """The aligner that detectors exported here get: of the default weights, or the shipped.
        None: both have none."""
        weights = companions.default_companion("aligner")
        return None if weights is None else cls(weights, threads=threads)

    def correct(self, image: ImageArray, landmarks: npt.NDArray[np.floating]) -> FloatArray:
        """Move the landmarks of each face together, so that ``align_faces`` puts it in its place.

        image: (H, W, 3) uint8 RGB. landmarks: (n, 5, 2) pixels, n >= 0; those that ``align_faces``
        would refuse stay as they are.
        Returns (n, 5, 2) float32.
        """
        return self.correct_batch([image], [landmarks])[0]

    def correct_batch(
        self, images: Sequence[ImageArray], landmarks: Sequence[npt.NDArray[np.floating]]
    ) -> list[FloatArray]:
        """``correct`` for several photos; their faces run together."""
        photos = [check_image(image) for image in images]
        moved = [check_landmarks(points) for points in landmarks]
        faces = [
            (photo, points, index, estimate_similarity(points[index], ARCFACE_TEMPLATE))
            for photo, points in zip(photos, moved, strict=True)
            for index in np.flatnonzero(alignable(points))
        ]
        corrections = self._run([_view(photo, matrix) for photo, _, _, matrix in faces])
        corrections = np.clip(corrections, -_FURTHEST, _FURTHEST)
        for (_, points, index, matrix), correction in zip(faces, corrections, strict=True):
            points[index] = _moved(points[index], matrix, correction)
        return [points.astype(np.float32) for points in moved]

    def place(self, crops: ImageArray) -> ImageArray:
        """Move aligned faces, whoever aligned them, to where this aligner would have put them.

        crops: (n, 112, 112, 3) uint8 RGB, n >= 0, on the template of ``align_faces``.
        Returns the same shape and dtype. What comes in from beyond a crop's borders repeats them.
        Raises ValueError for other shapes or dtypes.
        """
        if crops.ndim != 4 or crops.shape[1:] != (CROP_SIZE, CROP_SIZE, 3):
            raise ValueError(f"expected crops (n, {CROP_SIZE}, {CROP_SIZE}, 3), got {crops.shape}")
        border = ((0, 0), (_FRAME, _FRAME), (_FRAME, _FRAME), (0, 0))
        framed = np.pad(crops, border, mode="edge")
        landmarks = (ARCFACE_TEMPLATE[None] + _FRAME).astype(np.float32)
        corrected = self.correct_batch(list(framed), [landmarks] * len(crops))
        placed = [align_faces(*face)[0] for face in zip(framed, corrected, strict=True)]
        return np.stack(placed) if placed else crops.copy()


def _view(photo: ImageArray, matrix: npt.NDArray[np.float64]) -> ImageArray:
    """What the network sees of a face that ``matrix`` (2, 3) takes to the template."""
    scale = VIEW_SIZE / (2 * VIEW_HALF)
    # Template coordinates are of pixel centres; so are the view's, half a pixel from its border.
    corner = np.array(VIEW_CENTRE) - VIEW_HALF
    to_view = np.column_stack([matrix[:, :2] * scale, (matrix[:, 2] - corner) * scale - 0.5])
    view = np.zeros((VIEW_SIZE, VIEW_SIZE, 3), np.uint8)
    warp(photo, to_view, view)
    return view


def _moved(
    face: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    correction: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Landmarks (5, 2) moved by a similarity transform, so that the one that fits them to the
    template is ``matrix`` (2, 3) followed by the correction (4,)."""
    a, b, x, y = correction
    centre, linear, shift = np.array(VIEW_CENTRE), matrix[:, :2], matrix[:, 2]
    on_template = face @ linear.T + shift
    turned = np.array([[1.0 + a, -b], [b, 1.0 + a]])
    back = np.linalg.solve(turned, (on_template - centre - 2 * VIEW_HALF * np.array([x, y])).T).T
    return np.asarray(np.linalg.solve(linear, (back + centre - shift).T).T)
