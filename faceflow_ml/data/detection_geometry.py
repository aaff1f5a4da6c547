"""Crop, flip, rotate and letterbox: pixels, boxes and landmarks move by one and the same map.

Coordinates are continuous pixels (see :mod:`faceflow_ml.data.records`). These are written here
rather than taken from Albumentations because a crop may reach beyond the photo, may be resized
unevenly by a fraction of a pixel, keeps NaN landmarks, and turns faces it cuts into ignore regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.records import Faces, FloatArray, ImageArray, Photo

# Left and right change places in a mirror: eyes, then mouth corners.
MIRRORED_LANDMARKS = np.array([1, 0, 2, 4, 3])

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Window:
    """A rectangle of a photo in whole pixels; it may reach beyond the photo."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class KeepRule:
    """Which faces still count after a crop.

    A face stays if its centre is inside, at least ``visible`` of its area is, and the root of what
    is left of its area is at least ``side`` pixels; else it becomes an ignore region, and it is
    dropped when less than ``trace`` of it is inside: too little to mistake for a face.
    """

    visible: float = 0.5
    side: float = 6.0
    trace: float = 0.05


def crop_resize(
    photo: Photo,
    window: Window,
    size: tuple[int, int],
    *,
    fill: Colour = (0, 0, 0),
    interpolation: int | None = None,
) -> Photo:
    """Cut ``window`` out of a photo and resize it.

    Args:
        photo: the photo; it is not changed.
        window: what to cut; parts beyond the photo get the colour ``fill``.
        size: (width, height) of the result in pixels.
        fill: RGB in [0, 255].
        interpolation: an OpenCV flag; None is area averaging when the photo shrinks to less than
            two thirds and linear otherwise.

    Returns:
        The cut photo. Its faces are mapped and neither clipped nor filtered: see
        :func:`keep_faces`.

    Raises:
        ValueError: the window or the size is empty.
    """
    width, height = size
    if min(window.width, window.height, width, height) <= 0:
        raise ValueError(f"window and size must not be empty, got {window} and {size}")
    photo_height, photo_width = photo.image.shape[:2]
    x_source, x_target = _overlap(window.x, window.width, photo_width, width)
    y_source, y_target = _overlap(window.y, window.height, photo_height, height)
    if x_source is None or y_source is None or x_target is None or y_target is None:
        return Photo(_canvas(size, fill), Faces.empty())

    piece = photo.image[y_source[0] : y_source[1], x_source[0] : x_source[1]]
    inner = (x_target[1] - x_target[0], y_target[1] - y_target[0])
    scale_x = inner[0] / (x_source[1] - x_source[0])
    scale_y = inner[1] / (y_source[1] - y_source[0])
    if interpolation is None:
        shrinks = min(scale_x, scale_y) < 2 / 3
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(piece, inner, interpolation=interpolation), np.uint8)
    if inner == size:
        image = resized
    else:
        image = _canvas(size, fill)
        image[y_target[0] : y_target[1], x_target[0] : x_target[1]] = resized

    scale = np.array([scale_x, scale_y], np.float32)
    shift = np.array(
        [x_target[0] - x_source[0] * scale_x, y_target[0] - y_source[0] * scale_y], np.float32
    )
    boxes = photo.faces.boxes * np.tile(scale, 2) + np.tile(shift, 2)
    landmarks = photo.faces.landmarks * scale + shift
    return Photo(image, Faces(boxes, landmarks, photo.faces.ignore))


def letterbox(photo: Photo, size: int, *, fill: Colour = (0, 0, 0)) -> Photo:
    """Scale a photo to fit ``size`` x ``size``, at the top left; the rest is ``fill``."""
    height, width = photo.image.shape[:2]
    side = max(width, height)
    return crop_resize(photo, Window(0, 0, side, side), (size, size), fill=fill)


def shrink(photo: Photo, max_side: int) -> Photo:
    """Scale a photo down so that its longer side is at most ``max_side`` pixels."""
    height, width = photo.image.shape[:2]
    scale = max_side / max(width, height)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return crop_resize(photo, Window(0, 0, width, height), size, interpolation=cv2.INTER_AREA)


def flip(photo: Photo) -> Photo:
    """Mirror left and right; left landmarks become right ones. Its own inverse."""
    width = photo.image.shape[1]
    faces = photo.faces
    boxes = faces.boxes.copy()
    boxes[:, 0], boxes[:, 2] = width - faces.boxes[:, 2], width - faces.boxes[:, 0]
    landmarks = faces.landmarks[:, MIRRORED_LANDMARKS].copy()
    landmarks[:, :, 0] = width - landmarks[:, :, 0]
    image = np.asarray(cv2.flip(photo.image, 1), np.uint8)
    return Photo(image, Faces(boxes, landmarks, faces.ignore))


def rotate(photo: Photo, degrees: float, *, fill: Colour = (0, 0, 0)) -> Photo:
    """Turn a photo about its centre, anticlockwise as seen, keeping its size.

    A box becomes the bounds of its turned inscribed ellipse: a head is nearer to an ellipse than
    to a rectangle, whose bounds would grow with every turn.
    """
    height, width = photo.image.shape[:2]
    radians = np.deg2rad(degrees)
    cos, sin = float(np.cos(radians)), float(np.sin(radians))
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)
    centre = np.array([width / 2, height / 2], np.float32)

    # OpenCV puts the origin in the middle of the first pixel, half a pixel from ours.
    matrix = np.hstack([turn, ((centre - 0.5) - turn @ (centre - 0.5))[:, None]])
    image = cv2.warpAffine(
        photo.image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=fill
    )
    faces = photo.faces
    middle = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    half = (faces.boxes[:, 2:] - faces.boxes[:, :2]) / 2
    moved = (middle - centre) @ turn.T + centre
    bounds = np.sqrt(half**2 @ (turn.T**2))
    boxes = np.concatenate([moved - bounds, moved + bounds], axis=1).astype(np.float32)
    landmarks = ((faces.landmarks - centre) @ turn.T + centre).astype(np.float32)
    return Photo(np.asarray(image, np.uint8), Faces(boxes, landmarks, faces.ignore))


def keep_faces(faces: Faces, size: tuple[int, int], rule: KeepRule | None = None) -> Faces:
    """Clip faces to a canvas of ``size`` (width, height) and apply ``rule`` to each.

    Landmarks outside the canvas become unknown (NaN).
    """
    rule = rule or KeepRule()
    limits = np.array(size, np.float32)
    clipped = faces.boxes.clip(0, np.tile(limits, 2)).astype(np.float32)
    area = _area(faces.boxes)
    left = _area(clipped)
    visible = left / np.maximum(area, 1e-6)
    middle = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    inside = np.all((middle >= 0) & (middle <= limits), axis=1)
    counts = inside & (visible >= rule.visible) & (left >= rule.side**2)
    landmarks = faces.landmarks.copy()
    landmarks[((landmarks < 0) | (landmarks > limits)).any(axis=2)] = np.nan
    remains = (visible >= rule.trace) & (left > 0)
    return Faces(clipped, landmarks, faces.ignore | ~counts).select(remains)


def _area(boxes: FloatArray) -> NDArray[np.float32]:
    sides = (boxes[:, 2:] - boxes[:, :2]).clip(0, None)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def _canvas(size: tuple[int, int], fill: Colour) -> ImageArray:
    image = np.empty((size[1], size[0], 3), np.uint8)
    # One number fills many times faster than three.
    image[:] = fill[0] if len(set(fill)) == 1 else fill
    return image


def _overlap(
    start: int, length: int, available: int, target: int
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Where the window meets the photo along one axis: in the photo, and in the result.

    Both in whole pixels, so that the pixels and the faces go by exactly the same map.
    """
    first, last = max(start, 0), min(start + length, available)
    if first >= last:
        return None, None
    scale = target / length
    low = round((first - start) * scale)
    high = min(max(round((last - start) * scale), low + 1), target)
    return (first, last), (min(low, high - 1), high)
