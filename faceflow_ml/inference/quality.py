"""How much a face's vector can be trusted, from the picture alone: cheap, and explainable.

A face can be too small, too blurred, turned too far, doubtfully a face, or of no use to the
embedder. Each is a number in [0, 1] and the quality is their weighted geometric mean, so it rises
with every part, and one very bad part is not made up for by the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE, align_faces
from faceflow_ml.inference.checks import check_crops, check_image, check_landmarks, check_norms
from faceflow_ml.inference.types import CROP_SIZE, Detections, FloatArray, ImageArray

# Eye distances in photo pixels. Below 6 nothing of a person is left; the template has 35.
_EYES_USELESS, _EYES_FULL = 6.0, 36.0
# Variance of the Laplacian over that of the crop at which sharpness is one half. Sharp aligned
# faces have 0.2 (median); blurred with a Gaussian of 1.5 pixels 0.016, of 3 pixels 0.006.
_SHARPNESS_HALF = 0.015
# Deviations from a frontal face, in eye distances (yaw) and parts of the eye-mouth line (pitch),
# at which the pose part falls to exp(-1).
_YAW_SPREAD, _PITCH_SPREAD = 0.45, 0.35
_FLOOR = 1e-3
# Vectors of people whom the embedder has seen few of are short, dark-skinned ones among them,
# however good the picture. The norm lowers a quality; alone it must not bar a face from founding a
# group.
_NORM_FLOOR = 0.1
_WEIGHTS = {"size": 0.25, "sharpness": 0.2, "pose": 0.25, "score": 0.1, "norm": 0.2}


@dataclass(frozen=True, eq=False)
class QualityParts:
    """The parts of n faces' quality, each (n,) float32 in [0, 1], 1 the best.

    size: of the eye distance in the photo's pixels, logarithmic.
    sharpness: of the aligned crop's Laplacian, relative to its contrast.
    pose: 1 for a frontal face, falling with yaw and pitch; roll does not count.
    score: of the detector.
    norm: of the embedding's length within its calibrated range, at least 0.1; 1 if that is not
        known.
    total: their weighted geometric mean.
    """

    size: FloatArray
    sharpness: FloatArray
    pose: FloatArray
    score: FloatArray
    norm: FloatArray
    total: FloatArray


def face_quality(
    image: ImageArray,
    detections: Detections,
    norms: npt.ArrayLike | None = None,
    *,
    crops: ImageArray | None = None,
    norm_range: tuple[float, float] | None = None,
) -> FloatArray:
    """Quality (n,) in [0, 1] of the faces of one photo; arguments as for ``quality_parts``."""
    parts = quality_parts(image, detections, norms, crops=crops, norm_range=norm_range)
    return parts.total


def quality_parts(
    image: ImageArray,
    detections: Detections,
    norms: npt.ArrayLike | None = None,
    *,
    crops: ImageArray | None = None,
    norm_range: tuple[float, float] | None = None,
) -> QualityParts:
    """What the quality of each face is made of.

    image: (H, W, 3) uint8 RGB. detections: its n faces.
    norms: (n,) lengths of the embeddings; they count only together with ``norm_range``, the
        calibrated norms (low, high) of useless and of perfect faces.
    crops: (n, 112, 112, 3) aligned faces if at hand; cut from the photo otherwise.
    Raises ValueError for other shapes or values.
    """
    image = check_image(image)
    n = len(detections)
    points = check_landmarks(detections.landmarks)
    crops = align_faces(image, points) if crops is None else check_crops(crops)
    if len(crops) != n:
        raise ValueError(f"expected {n} crops, one a face, got {len(crops)}")
    norm = np.ones(n, dtype=np.float32)
    if norms is not None:
        lengths = check_norms(norms, n)
        if norm_range is not None:
            norm = np.maximum(_ramp(lengths, *norm_range), np.float32(_NORM_FLOOR))
    parts = {
        "size": _size(points),
        "sharpness": _sharpness(crops),
        "pose": _pose(points),
        "score": np.clip(detections.scores, 0.0, 1.0),
        "norm": norm,
    }
    total = np.ones(n)
    for name, weight in _WEIGHTS.items():
        total *= np.maximum(parts[name], _FLOOR) ** weight
    return QualityParts(
        **{name: part.astype(np.float32) for name, part in parts.items()},
        total=total.astype(np.float32),
    )


def norm_range(calibration: Mapping[str, float]) -> tuple[float, float] | None:
    """Norms of a useless and of a perfect face, by an embedder's calibration; None if unknown."""
    low, high = (calibration.get(key) for key in ("norm_low", "norm_high"))
    return None if low is None or high is None or high <= low else (low, high)


def norm_factor(norms: npt.ArrayLike, norm_range: tuple[float, float] | None) -> FloatArray:
    """What the lengths (n,) of the embeddings contribute to the quality: factors (n,) in [0, 1].

    The quality with norms is this times the quality without. All 1 without a ``norm_range``.
    """
    lengths = np.asarray(norms, np.float32)
    if norm_range is None:
        return np.ones_like(lengths)
    part = np.maximum(_ramp(lengths, *norm_range), _NORM_FLOOR)
    return np.asarray(part ** _WEIGHTS["norm"], np.float32)


def _ramp(values: npt.NDArray[np.floating], low: float, high: float) -> FloatArray:
    if not low < high:
        raise ValueError(f"expected norm_range (low, high) with low < high, got {(low, high)}")
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0), np.float32)


def _size(points: npt.NDArray[np.float64]) -> FloatArray:
    # The longer of the eye and the eye-mouth line (scaled to it): a turned head is not small.
    eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    height = np.linalg.norm(points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1), axis=1)
    pixels = np.maximum(np.maximum(eyes, height * _TEMPLATE_RATIO), 1e-6)
    return _ramp(np.log(pixels), float(np.log(_EYES_USELESS)), float(np.log(_EYES_FULL)))


def _sharpness(crops: ImageArray) -> FloatArray:
    inner = slice(CROP_SIZE // 6, -(CROP_SIZE // 6))
    values = np.zeros(len(crops), dtype=np.float32)
    for i, crop in enumerate(crops):
        # Inside the face only: hair, background and the black beyond the photo have hard edges.
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[inner, inner].astype(np.float32)
        detail = float(cv2.Laplacian(grey, cv2.CV_32F).var())
        # 25: the variance of sensor noise, so that noise on a flat patch is not sharpness.
        relative = (detail / (float(grey.var()) + 25.0) / _SHARPNESS_HALF) ** 2
        values[i] = relative / (relative + 1.0)
    return values


def _pose(points: npt.NDArray[np.float64]) -> FloatArray:
    """exp(-(yaw^2 + pitch^2)) of proxies measured in the face's own axes."""
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    nose = points[:, 2]
    across = (points[:, 1] - points[:, 0] + points[:, 4] - points[:, 3]) / 2
    width = np.maximum(np.linalg.norm(across, axis=1), 1e-6)
    unit = across / width[:, None]
    down = np.stack([-unit[:, 1], unit[:, 0]], axis=1)
    length = np.maximum(np.sum((mouth - eyes) * down, axis=1), 1e-6)
    yaw = np.sum((nose - (eyes + mouth) / 2) * unit, axis=1) / width
    pitch = np.sum((nose - eyes) * down, axis=1) / length - _TEMPLATE_NOSE
    with np.errstate(over="ignore"):
        part = np.exp(-((yaw / _YAW_SPREAD) ** 2) - (pitch / _PITCH_SPREAD) ** 2)
    return np.asarray(part, np.float32)


def _template_constants() -> tuple[float, float]:
    eyes, mouth = ARCFACE_TEMPLATE[:2].mean(axis=0), ARCFACE_TEMPLATE[3:].mean(axis=0)
    width = float(np.linalg.norm(ARCFACE_TEMPLATE[1] - ARCFACE_TEMPLATE[0]))
    length = float(mouth[1] - eyes[1])
    return width / length, float(ARCFACE_TEMPLATE[2, 1] - eyes[1]) / length


_TEMPLATE_RATIO, _TEMPLATE_NOSE = _template_constants()
