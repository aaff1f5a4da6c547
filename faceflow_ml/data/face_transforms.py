"""Augmentation of aligned faces (Albumentations): pose, colour, poor cameras, covered parts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Read by Albumentations when imported: without it, every worker process asks the network for news.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

from faceflow_ml.data.face_turns import turn_face, turn_maps


class FaceTransform:
    """Resize faces and, when training, augment them.

    Args:
        size: side of the output in pixels.
        augment: off for validation.
        jitter: how far faces are moved, turned and scaled, in [0, 1]: 1 as far off as landmarks
            of a detector put an aligned face.
        turn: degrees by which half of the faces are turned out of the plane at most, see
            `faceflow_ml.data.face_turns`.
    """

    def __init__(self, size: int, *, augment: bool, jitter: float = 1.0, turn: float = 0.0) -> None:
        self.size = size
        steps = _augmentations(jitter)
        if turn:
            steps.insert(0, Turn(turn, p=0.5))
        self._compose = A.Compose(steps, seed=0) if augment else None

    def __call__(self, faces: Sequence[NDArray[np.uint8]], seed: int) -> NDArray[np.uint8]:
        """Transform ``n`` faces ``(h, w, 3)`` uint8 RGB into ``(n, size, size, 3)`` uint8.

        The same faces and seed give the same result.
        """
        cv2.setNumThreads(0)  # worker processes share the cores with the network
        result = np.empty((len(faces), self.size, self.size, 3), np.uint8)
        if self._compose is not None:
            self._compose.set_random_seed(seed)
        for row, face in zip(result, faces, strict=True):
            if face.shape[:2] != (self.size, self.size):
                size = (self.size, self.size)
                face = np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA), np.uint8)
            row[:] = face if self._compose is None else self._compose(image=face)["image"]
        return result


class Turn(A.ImageOnlyTransform):  # type: ignore[misc]
    """Turns an aligned face by up to ``degrees`` out of the plane, by the shape of any head."""

    def __init__(self, degrees: float, p: float) -> None:
        super().__init__(p=p)
        self.degrees = degrees

    def get_params(self) -> dict[str, Any]:
        """Which of the turns."""
        return {"position": self.py_random.random()}

    def apply(self, img: NDArray[np.uint8], position: float, **_: object) -> NDArray[np.uint8]:
        """Turn the face ``(s, s, 3)``."""
        maps = turn_maps(len(img), self.degrees)
        return turn_face(img, maps[int(position * len(maps))])


def _augmentations(jitter: float) -> list[A.BasicTransform | A.BaseCompose]:
    return [
        A.HorizontalFlip(p=0.5),
        A.Affine(
            scale=(1 - 0.1 * jitter, 1 + 0.1 * jitter),
            translate_percent=(-0.05 * jitter, 0.05 * jitter),
            rotate=(-9 * jitter, 9 * jitter),
            border_mode=cv2.BORDER_REPLICATE,
            p=0.6,
        ),
        A.RandomBrightnessContrast(0.25, 0.25, p=0.5),
        A.OneOf(
            [
                A.HueSaturationValue(8, 30, 0, p=1),
                A.RGBShift(20, 20, 20, p=1),
                A.RandomGamma((70, 140), p=1),
                A.ToGray(p=1),
            ],
            p=0.35,
        ),
        A.OneOf(
            [
                A.Downscale(scale_range=(0.25, 0.6), p=1),
                A.GaussianBlur(blur_limit=(3, 7), p=0.5),
                A.MotionBlur(blur_limit=(3, 7), p=0.5),
                A.ImageCompression(quality_range=(20, 60), p=0.5),
            ],
            p=0.25,
        ),
        A.CoarseDropout(
            num_holes_range=(1, 1),
            hole_height_range=(0.15, 0.45),
            hole_width_range=(0.15, 0.6),
            fill="random_uniform",
            p=0.2,
        ),
    ]
