"""Four photos in one (YOLOv4, Bochkovskiy et al., 2020): more, smaller faces in new company."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faceflow_ml.data.detection_transforms import RandomView, ViewOptions
from faceflow_ml.data.records import Faces, Photo


class Mosaic:
    """Joins random views of four photos at a random point."""

    def __init__(self, size: int, *, view: ViewOptions | None = None) -> None:
        """Views of ``view`` fill quadrants of a ``size`` x ``size`` photo.

        Raises:
            ValueError: ``size`` is below 8 pixels.
        """
        if size < 8:
            raise ValueError(f"a mosaic needs at least 8 pixels, got {size}")
        self.size = size
        self.view = RandomView(
            # Wide views: this is where small faces come from.
            view or ViewOptions(crop=(0.6, 1.6), aimed=0.2, face_side=(0.08, 0.5), rotate=0.0)
        )

    def __call__(self, photos: Sequence[Photo], rng: np.random.Generator) -> Photo:
        """Join four photos, in reading order.

        Args:
            photos: exactly four.
            rng: the only source of chance.

        Returns:
            A (size, size, 3) photo; each face is clipped to its quadrant.

        Raises:
            ValueError: not four photos.
        """
        if len(photos) != 4:
            raise ValueError(f"a mosaic takes 4 photos, got {len(photos)}")
        size = self.size
        x, y = rng.integers(round(0.3 * size), round(0.7 * size) + 1, 2).tolist()
        image = np.empty((size, size, 3), np.uint8)
        parts: list[Faces] = []
        corners = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
        for photo, (left, top, right, bottom) in zip(photos, corners, strict=True):
            view = self.view(photo, (right - left, bottom - top), rng)
            image[top:bottom, left:right] = view.image
            shift = np.array([left, top], np.float32)
            boxes = view.faces.boxes + np.tile(shift, 2)
            parts.append(Faces(boxes, view.faces.landmarks + shift, view.faces.ignore))
        return Photo(image, Faces.concatenate(parts))
