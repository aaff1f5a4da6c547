"""Faces of whole photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.images import ImageLimits, load_image
from faceflow_ml.inference.session import Device
from faceflow_ml.inference.types import Detections, FloatArray, ImageArray
from serving.handler import model_info

COLUMNS = 16
"""Of an array of answers: number of the photo, x1 y1 x2 y2, score, five landmarks x y."""

_SMALL, _LARGE = (480, 640, 3), (640, 640, 3)


class DetectionHandler:
    """From photos (h, w, 3) uint8 RGB to ``Detections``."""

    def __init__(
        self, model_dir: Path | None, *, threads: int | None, device: Device, max_pixels: int
    ) -> None:
        self.info = model_info("detection", model_dir)
        self._limits = ImageLimits(max_pixels=max_pixels)
        self._detector = FaceDetector.from_pretrained(model_dir, threads=threads, device=device)

    def warm_up(self, batch: int) -> None:
        for shape in (_SMALL, _LARGE):
            for size in {1, batch}:
                self._detector.detect_batch([np.zeros(shape, np.uint8)] * size)

    def decode(self, data: bytes) -> ImageArray:
        return load_image(data, limits=self._limits)

    def split(self, array: ImageArray) -> list[ImageArray]:
        photos = [array] if array.ndim == 3 else list(array)
        for photo in photos:
            height, width, channels = photo.shape
            if channels != 3 or height < 1 or width < 1:
                raise ValueError(
                    f"expected photos (n, h, w, 3) or one (h, w, 3), got shape {array.shape}"
                )
        return photos

    def run(self, images: Sequence[ImageArray]) -> Sequence[Detections]:
        return self._detector.detect_batch(images)

    def to_json(self, answers: Sequence[Detections], *, single: bool) -> Any:
        documents = [self._document(faces) for faces in answers]
        return documents[0] if single else documents

    def to_array(self, answers: Sequence[Detections]) -> FloatArray:
        rows = [
            np.column_stack(
                [
                    np.full(len(faces), number, np.float32),
                    faces.boxes,
                    faces.scores,
                    faces.landmarks.reshape(-1, 10),
                ]
            )
            for number, faces in enumerate(answers)
        ]
        return np.concatenate([np.zeros((0, COLUMNS), np.float32), *rows])

    def _document(self, faces: Detections) -> dict[str, Any]:
        found = zip(
            faces.boxes.tolist(), faces.scores.tolist(), faces.landmarks.tolist(), strict=True
        )
        return {
            "faces": [
                {"box": box, "score": score, "landmarks": points} for box, score, points in found
            ],
            "contract_id": self.info.contract_id,
        }
