"""Faces warped to the five-point template of ArcFace (Deng et al., 2019, arXiv:1801.07698)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from faceflow_ml.inference.checks import check_count, check_image, check_landmarks
from faceflow_ml.inference.types import CROP_SIZE, ImageArray

ARCFACE_TEMPLATE: npt.NDArray[np.float64] = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Where the landmarks lie in a 112x112 crop, in pixels."""
ARCFACE_TEMPLATE.flags.writeable = False

# Landmarks closer together than this (RMS distance from their mean, pixels) are one point.
_MIN_SPREAD = 0.5
# Correlation of the landmarks with the template under the best similarity: 1 for the template
# itself, 0.8 for a full profile, 0.2 with left and right exchanged.
_MIN_LIKENESS = 0.4


def _centred(points: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    """Points (..., k, 2) as complex numbers (..., k) around their mean.

    Of these, rotation and scale are one multiplication: d = a * s.
    """
    numbers = points[..., 0] + 1j * points[..., 1]
    return np.asarray(numbers - numbers.sum(axis=-1, keepdims=True) / points.shape[-2])


def _spread(centred: npt.NDArray[np.complex128]) -> npt.NDArray[np.float64]:
    """RMS distance (...) of points (..., k) from their mean."""
    squares = centred.real**2 + centred.imag**2
    return np.asarray(np.sqrt(squares.sum(axis=-1) / centred.shape[-1]))


def _correlate(
    s: npt.NDArray[np.complex128], d: npt.NDArray[np.complex128]
) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Per set of centred points (..., k): complex covariance, and the spreads of both."""
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = (s.conj() * d).sum(axis=-1) / s.shape[-1]
        return covariance, _spread(s), _spread(d)


_TEMPLATE_CENTRED = _centred(ARCFACE_TEMPLATE)


def _usable(
    covariance: npt.NDArray[np.complex128],
    source: npt.NDArray[np.float64],
    target: npt.NDArray[np.float64],
    min_spread: float,
    min_correlation: float,
) -> npt.NDArray[np.bool_]:
    with np.errstate(over="ignore", invalid="ignore"):
        explained = np.abs(covariance) >= min_correlation * source * target
    return np.isfinite(source) & (source > min_spread) & (target > 0.0) & explained


def estimate_similarity(src: npt.ArrayLike, dst: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Least-squares rotation, uniform scale and shift that takes ``src`` to ``dst``.

    The closed form of Umeyama (1991) in the plane, without reflection.

    src, dst: (k, 2) points, k >= 2, finite.
    Returns the (2, 3) matrix M with dst ~ M @ [x, y, 1].
    Raises ValueError for other shapes, and for points that fix no similarity: those of one set
    all in one place, or the two sets uncorrelated.
    """
    a, b = np.asarray(src, dtype=np.float64), np.asarray(dst, dtype=np.float64)
    if a.ndim != 2 or a.shape[1] != 2 or len(a) < 2 or a.shape != b.shape:
        raise ValueError(f"expected two sets of points (k, 2), k >= 2, got {a.shape}, {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("expected finite points, got NaN or infinity")
    covariance, source, target = _correlate(_centred(a), _centred(b))
    if not _usable(covariance, source, target, 0.0, 1e-6):
        raise ValueError("degenerate points: they fix no similarity transform")
    # Plain numbers: for so few of them NumPy takes longer than the arithmetic.
    factor = complex(covariance) / float(source) ** 2
    (ax, ay), (bx, by) = (a.sum(axis=0) / len(a)).tolist(), (b.sum(axis=0) / len(b)).tolist()
    c, d = factor.real, factor.imag
    return np.array([[c, -d, bx - c * ax + d * ay], [d, c, by - d * ax - c * ay]])


def alignable(landmarks: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """(n,) mask of the faces whose landmarks (n, 5, 2) ``align_faces`` accepts."""
    points = _centred(check_landmarks(landmarks))
    return _usable(*_correlate(points, _TEMPLATE_CENTRED), _MIN_SPREAD, _MIN_LIKENESS)


def align_faces(
    image: ImageArray, landmarks: npt.NDArray[np.floating], size: int = CROP_SIZE
) -> ImageArray:
    """Cut the faces out of a photo, turned and scaled onto the ArcFace template.

    image: (H, W, 3) uint8 RGB. landmarks: (n, 5, 2) pixels, n >= 0.
    size: side of the crops in pixels; the template scales with it.
    Returns (n, size, size, 3) uint8 RGB, by bicubic interpolation; what lies outside the photo is
    black. Faces much larger than the crop are averaged down first, so that they do not alias.
    Raises ValueError for other shapes or dtypes and for degenerate landmarks: all in one place,
    or nothing like a face, such as left and right exchanged.
    """
    image = check_image(image)
    points = check_landmarks(landmarks)
    size = check_count(size, "size")
    bad = np.flatnonzero(~alignable(points))
    if len(bad):
        raise ValueError(
            f"degenerate landmarks for face {bad[0]}: {np.round(points[bad[0]], 1).tolist()}; "
            "expected five distinct points in the order left eye, right eye, nose, left mouth "
            "corner, right mouth corner"
        )
    crops = np.zeros((len(points), size, size, 3), dtype=np.uint8)
    target = (ARCFACE_TEMPLATE + 0.5) * (size / CROP_SIZE) - 0.5
    for crop, face in zip(crops, points, strict=True):
        warp(image, estimate_similarity(face, target), crop, interpolation=cv2.INTER_CUBIC)
    return crops


def warp(
    image: ImageArray,
    matrix: npt.NDArray[np.float64],
    out: ImageArray,
    *,
    interpolation: int = cv2.INTER_LINEAR,
) -> None:
    """Fill ``out`` (size, size, 3) with the image under ``matrix`` (photo to crop pixels)."""
    size = len(out)
    # Plain numbers: for so few of them NumPy takes longer than the warp itself.
    (a, b, x), (c, d, y) = matrix.tolist()
    det = a * d - b * c
    ends = (-1.0, float(size))
    with_x = [(d * (u - x) - b * (v - y)) / det for u in ends for v in ends]
    with_y = [(a * (v - y) - c * (u - x)) / det for u in ends for v in ends]
    # Only the part of the photo under the crop: OpenCV warps at most 32767 pixels a side, and
    # averaging a whole photo down for one face would cost more than the warp.
    height, width = image.shape[:2]
    x1, x2 = _span(with_x, width)
    y1, y2 = _span(with_y, height)
    if x2 <= x1 or y2 <= y1:
        return
    region = image[y1:y2, x1:x2]
    shrink = int(1.0 / math.sqrt(abs(det)))
    if shrink >= 2:
        small = (-(-(x2 - x1) // shrink), -(-(y2 - y1) // shrink))
        region = np.asarray(cv2.resize(region, small, interpolation=cv2.INTER_AREA), np.uint8)
    kx, ky = (x2 - x1) / region.shape[1], (y2 - y1) / region.shape[0]
    # Pixel centres: x = x1 + (u + 0.5) * ratio - 0.5 for pixel u of the region.
    left, top = x1 + 0.5 * kx - 0.5, y1 + 0.5 * ky - 0.5
    to_crop = np.array(
        [[a * kx, b * ky, a * left + b * top + x], [c * kx, d * ky, c * left + d * top + y]]
    )
    cv2.warpAffine(
        region,
        to_crop,
        (size, size),
        dst=out,
        flags=interpolation,
        borderMode=cv2.BORDER_CONSTANT,
    )


def _span(values: Sequence[float], limit: int) -> tuple[int, int]:
    """Whole pixels from 0 to a limit that hold all values, with one to spare behind."""
    first, last = min(max(min(values), 0), limit), min(max(max(values), 0), limit)
    return math.floor(first), min(math.ceil(last) + 1, limit)
