"""What every reader returns and every dataset takes: photos with faces, and faces with names.

Coordinates are continuous pixels: pixel column ``i`` covers ``[i, i + 1)``, so a photo ``w``
pixels wide spans ``[0, w]``. Landmark order is left eye, right eye, nose, left mouth corner, right
mouth corner as seen in the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from faceflow_ml.errors import ImageError
from faceflow_ml.inference.images import load_image

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
ImageArray = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one photo.

    Args:
        boxes: (n, 4) float32 ``x1, y1, x2, y2`` in pixels.
        landmarks: (n, 5, 2) float32 in pixels; NaN where a point is unknown.
        ignore: (n,) bool; true where a detector is neither rewarded nor punished.

    Raises:
        ValueError: an array has another shape or dtype.
    """

    boxes: FloatArray
    landmarks: FloatArray
    ignore: BoolArray

    def __post_init__(self) -> None:
        n = len(self.boxes)
        _expect(self.boxes, "boxes", (n, 4), np.float32)
        _expect(self.landmarks, "landmarks", (n, 5, 2), np.float32)
        _expect(self.ignore, "ignore", (n,), np.bool_)

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Faces:
        """The faces at ``index`` (a mask or positions)."""
        return Faces(self.boxes[index], self.landmarks[index], self.ignore[index])

    @staticmethod
    def empty() -> Faces:
        """No faces: every array has length zero."""
        return Faces(
            np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.bool_)
        )

    @staticmethod
    def concatenate(parts: list[Faces]) -> Faces:
        """All faces of ``parts`` in order."""
        if not parts:
            return Faces.empty()
        return Faces(
            np.concatenate([p.boxes for p in parts]),
            np.concatenate([p.landmarks for p in parts]),
            np.concatenate([p.ignore for p in parts]),
        )


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo, (h, w, 3) uint8 RGB, and its faces."""

    image: ImageArray
    faces: Faces


@dataclass(frozen=True, eq=False)
class DetectionSample:
    """An encoded photo (bytes, or the path of a file) with its faces.

    ``width`` and ``height`` are the pixels that the boxes refer to.
    """

    image: bytes | Path
    boxes: FloatArray
    landmarks: FloatArray
    ignore: BoolArray
    name: str
    width: int
    height: int

    def __post_init__(self) -> None:
        Faces(self.boxes, self.landmarks, self.ignore)  # checks the arrays
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"{self.name}: size must be positive, got {self.width}x{self.height}")

    @property
    def faces(self) -> Faces:
        """The annotations without the photo."""
        return Faces(self.boxes, self.landmarks, self.ignore)

    def decode(self) -> ImageArray:
        """The photo as (height, width, 3) uint8 RGB.

        Meant for training data that is trusted: there are no limits on pixels.

        Raises:
            ImageError: it cannot be read, or is not ``width`` x ``height``.
        """
        data = _encoded(self.image, self.name)
        image = decode_rgb(data, self.name)
        if image.shape[:2] != (self.height, self.width):
            # Some annotation tools ignore the EXIF orientation; then so must the pixels.
            image = decode_rgb(data, self.name, oriented=False)
        if image.shape[:2] != (self.height, self.width):
            found = f"{image.shape[1]}x{image.shape[0]}"
            raise ImageError(
                f"{self.name}: annotated as {self.width}x{self.height} but the image is {found}"
            )
        return image

    def load(self) -> Photo:
        """The decoded photo with its faces."""
        return Photo(self.decode(), self.faces)


@dataclass(frozen=True, eq=False)
class IdentitySample:
    """An encoded aligned face (bytes, or the path of a file) and whose it is.

    ``source`` is the set it came from; ``det_score`` the confidence of the detection it was
    aligned by, in [0, 1], 0 where unknown; ``eye_px`` the distance of the eyes in the original
    photo, NaN where unknown.
    """

    image: bytes | Path
    identity: str
    source: str
    name: str
    det_score: float = 0.0
    eye_px: float = float("nan")

    def decode(self) -> ImageArray:
        """The face as (h, w, 3) uint8 RGB; ImageError if it cannot be read."""
        return decode_rgb(_encoded(self.image, self.name), self.name)


def decode_rgb(data: bytes, name: str, *, oriented: bool = True) -> ImageArray:
    """Decode a trusted image to (h, w, 3) uint8 RGB.

    Args:
        data: the encoded image.
        name: what to call it in errors.
        oriented: apply the EXIF orientation.

    Raises:
        ImageError: the bytes are no image.
    """
    flags = cv2.IMREAD_COLOR_RGB | (0 if oriented else cv2.IMREAD_IGNORE_ORIENTATION)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is not None:
        return np.asarray(image, np.uint8)
    try:
        return load_image(data)  # slower, and knows what OpenCV does not: HEIC
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error


def _encoded(image: bytes | Path, name: str) -> bytes:
    if isinstance(image, bytes):
        return image
    try:
        return image.read_bytes()
    except OSError as error:
        raise ImageError(f"{name}: cannot be read: {error}") from error


def _expect(array: object, name: str, shape: tuple[int, ...], dtype: type) -> None:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} must be an array, got {type(array).__name__}")
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(
            f"{name} must be {shape} {np.dtype(dtype)}, got {array.shape} {array.dtype}"
        )
