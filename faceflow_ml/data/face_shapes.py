"""Aligned faces drawn to another shape: what makes of one person another who is photographed alike.

An embedder lacks people rather than photos. Where all photos of a person get the same other shape
(a longer chin, eyes closer together), they show somebody who is not that person: as changing the
speed of speech makes other speakers (Yamamoto et al., "Speaker augmentation and bandwidth extension
for deep speaker embedding", 2019). Shapes are smooth, the same on both sides, and aligned again.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.drawn_faces import DrawnFaces
from faceflow_ml.data.identities import AlignedFaces
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE, estimate_similarity
from faceflow_ml.inference.types import CROP_SIZE

Points = NDArray[np.float64]

# In pixels of the template: heights at which a face may be wider or moved, and its parts that may
# be larger, each with how far it reaches.
_HEIGHTS = np.array([0.0, 25.0, 51.0, 72.0, 92.0, 112.0])
_EYES, _NOSE, _MOUTH = ((38.0, 51.5), (74.0, 51.5)), ((56.0, 70.0),), ((56.0, 92.0),)
_PARTS = ((_EYES, 11.0), (_NOSE, 11.0), (_MOUTH, 15.0))
# Standard deviations and limits: of widths, of moves up and down in pixels, of the sizes of parts.
_WIDTH, _MOVE, _PART = (0.12, 0.22), (4.5, 9.0), (0.18, 0.35)


class FaceShape:
    """A smooth drawing of faces, drawn at random.

    Args:
        seed: which.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)

        def draw(count: int, spread: tuple[float, float]) -> NDArray[np.float64]:
            return np.asarray(rng.normal(0, spread[0], count).clip(-spread[1], spread[1]))

        rows = np.arange(-CROP_SIZE, 2 * CROP_SIZE)
        kernel = cv2.getGaussianKernel(31, 7)[:, 0]

        def curve(values: NDArray[np.float64]) -> NDArray[np.float64]:
            line = np.interp(rows, _HEIGHTS, values)
            return np.convolve(np.pad(line, 15, mode="edge"), kernel, "valid")

        self._rows = rows
        self._width = 1 + curve(draw(len(_HEIGHTS), _WIDTH))
        self._move = curve(draw(len(_HEIGHTS), _MOVE))
        self._parts = draw(len(_PARTS), _PART)

    def source(self, points: Points) -> Points:
        """Where points ``(..., 2)`` of the drawn face come from, in pixels of the template."""
        x, y = np.moveaxis(points, -1, 0)
        middle = CROP_SIZE / 2
        result = np.stack(
            [
                middle + (x - middle) * np.interp(y, self._rows, self._width),
                y + np.interp(y, self._rows, self._move),
            ],
            axis=-1,
        )
        for (centres, reach), size in zip(_PARTS, self._parts, strict=True):
            for centre in centres:
                away = points - np.array(centre)
                near = np.exp(-0.5 * (away**2).sum(axis=-1, keepdims=True) / reach**2)
                result += size * near * away
        return np.asarray(result)


def shape_map(size: int, shape: FaceShape) -> NDArray[np.float32]:
    """Where each pixel of a drawn and newly aligned face comes from: ``(size, size, 2)`` x, y.

    For `cv2.remap` of an aligned face of ``size`` pixels.
    """
    scale = size / CROP_SIZE
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1) / scale
    drawn = np.array(ARCFACE_TEMPLATE, np.float64)
    for _ in range(50):  # a contraction: where the landmarks are drawn
        drawn -= 0.7 * (shape.source(drawn) - ARCFACE_TEMPLATE)
    # As the aligner leaves a face of this shape: its landmarks as near to the template as may be.
    back = estimate_similarity(ARCFACE_TEMPLATE, drawn)
    return np.asarray(shape.source(grid @ back[:, :2].T + back[:, 2]) * scale, np.float32)


@lru_cache(maxsize=2)
def shape_maps(size: int, count: int = 256) -> tuple[NDArray[np.float32], ...]:
    """`shape_map` of ``count`` shapes, the same in every process."""
    return tuple(shape_map(size, FaceShape(seed)) for seed in range(count))


def draw_face(face: NDArray[np.uint8], shape: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw an aligned face ``(s, s, 3)`` uint8 by a `shape_map` of its size."""
    # The stubs know nothing of a map that holds x and y.
    drawn = cv2.remap(  # type: ignore[call-overload]
        face, shape, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(drawn, np.uint8)


class ReshapedFaces(DrawnFaces):
    """Faces and, as those of other people, all of them again in other shapes.

    A person in another shape is named after the person, ``NAME~1`` and so on, and the name alone
    decides on the shape.

    Args:
        faces: of whom.
        shapes: how many others of each person there are, at least 1.
    """

    def __init__(self, faces: AlignedFaces, shapes: int) -> None:
        versions, people = range(shapes + 1), len(faces.names)
        labels = np.concatenate([faces.labels + people * version for version in versions])
        names = [
            f"{name}~{version}" if version else name for version in versions for name in faces.names
        ]
        super().__init__(faces, labels, names, f"{shapes}shapes")

    def _draw(self, position: int) -> NDArray[np.uint8]:
        face = np.asarray(self.faces.images[position % len(self.faces)], np.uint8)
        maps = shape_maps(len(face))
        name = self.names[self.labels[position]]
        return draw_face(face, maps[crc32(name.encode()) % len(maps)])
