"""Candidates: what a detector takes for faces in labelled photos, right or wrong.

Finding them takes minutes, so that they are kept, named by photos and detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.detection_cache import DetectionCache
from faceflow_ml.data.progress import counted
from faceflow_ml.data.records import Faces, FloatArray
from faceflow_ml.files import atomic_path
from faceflow_ml.inference.boxes import iou_matrix
from faceflow_ml.inference.detector import FaceDetector

_BATCH = 16
_LEAST_SCORE = 0.04
_FACE_IOU = 0.35  # a candidate that overlaps a face so is one, though its borders may be wrong
_FALSE_IOU = 0.25  # one that overlaps every face less is none; between the two it is not used
_IGNORED_SHARE = 0.3  # of its area in an ignored region: it may be a face
NO_FACE, UNSURE = -1, -2


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidates of many photos, ordered by photo.

    Attributes:
        photos: ``(n,)`` int64 positions of the photos.
        boxes: ``(n, 4)`` float32 x1, y1, x2, y2 in pixels.
        scores: ``(n,)`` float32 in [0, 1].
    """

    photos: NDArray[np.int64]
    boxes: FloatArray
    scores: FloatArray

    def of(self, photo: int) -> slice:
        """Where the candidates of a photo lie."""
        first, last = np.searchsorted(self.photos, [photo, photo + 1]).tolist()
        return slice(first, last)


def find_candidates(cache: DetectionCache, detector: FaceDetector, root: Path) -> Candidates:
    """Every candidate from a score of 0.04 on, before a refiner saw it; kept below ``root``."""
    file = root / f"candidates-{cache.folder.name}-{detector.network_sha256[:16]}.npz"
    if not file.exists():
        photos, boxes, scores = [], [], []
        batches = range(0, len(cache), _BATCH)
        for start in counted(batches, "Finding candidates, batches of photos", len(batches)):
            images = [cache[i].image for i in range(start, min(start + _BATCH, len(cache)))]
            found = detector.candidates(images, score_threshold=_LEAST_SCORE)
            for position, some in enumerate(found, start):
                photos.append(np.full(len(some), position, np.int64))
                boxes.append(some.boxes)
                scores.append(some.scores)
        with atomic_path(file) as temporary, temporary.open("wb") as stream:
            np.savez(
                stream,
                photos=np.concatenate(photos),
                boxes=np.concatenate(boxes),
                scores=np.concatenate(scores),
            )
    with np.load(file, allow_pickle=False) as kept:
        return Candidates(kept["photos"], kept["boxes"], kept["scores"])


def match_candidates(boxes: FloatArray, faces: Faces) -> NDArray[np.int64]:
    """Which face each candidate of a photo is: ``(n,)`` positions, `NO_FACE` or `UNSURE`.

    Args:
        boxes: ``(n, 4)`` pixels.
        faces: the labels of the photo; an ignored one makes what overlaps it unsure.
    """
    if not len(faces) or not len(boxes):
        return np.full(len(boxes), NO_FACE, np.int64)
    overlap = iou_matrix(boxes, faces.boxes)
    best, highest = overlap.argmax(axis=1), overlap.max(axis=1)
    match = np.where(highest >= _FACE_IOU, best, np.where(highest < _FALSE_IOU, NO_FACE, UNSURE))
    unsure = faces.ignore[best] & (highest >= _FACE_IOU)
    regions = faces.boxes[faces.ignore]
    if len(regions):
        unsure |= (match == NO_FACE) & (_share_inside(boxes, regions) > _IGNORED_SHARE)
    return np.where(unsure, UNSURE, match).astype(np.int64)


def _share_inside(boxes: FloatArray, regions: FloatArray) -> FloatArray:
    """The largest share of each box's area that one region covers, ``(n,)``."""
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1).max(axis=1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return np.asarray(shared / np.maximum(area, 1e-9), np.float32)
