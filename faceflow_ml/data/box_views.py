"""What refiners train on: views of boxes in photos, whether there is a face, and where.

The geometry is that of `faceflow_ml.inference.refiner`. Everything is a function of its arguments
and a random generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from faceflow_ml.data.candidates import NO_FACE, Candidates, match_candidates
from faceflow_ml.data.detection_cache import DetectionCache
from faceflow_ml.data.face_views import photometric
from faceflow_ml.data.identities import batch_seed
from faceflow_ml.data.records import ImageArray
from faceflow_ml.inference.boxes import iou_matrix
from faceflow_ml.inference.refiner import CONTEXT, box_view, changes_between
from faceflow_ml.inference.types import VIEW_SIZE

Box = NDArray[np.float64]

_SMALLEST_FACE = 6.0  # pixels, the square root of a box's area
_SHIFT, _SCALE, _STRETCH = 0.12, 0.12, 0.18  # deviations: of sides, and of logarithms of sides
_LEAST_IOU = 0.35  # of a face and its disturbed box
_TRIES = 8
_COARSE_SHARE, _COARSEST, _COARSE = 0.35, 8.0, 32.0  # views made of small faces; pixels of these
# Shares of training: faces with disturbed boxes; candidates that are faces, and that are none, more
# of the likelier ones; places anywhere.
_FACE, _FOUND, _FALSE, _ANYWHERE = range(4)
_SHARES = (0.38, 0.17, 0.35, 0.10)
_NOTHING: Box = np.full(4, np.nan)


class _Row(NamedTuple):
    place: tuple[int, int]
    box: Box
    face: Box
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class _Items:
    """Boxes of one kind.

    ``places`` (n, 2) source and photo; ``boxes`` (n, 4); ``faces`` (n, 4) the faces they are of;
    ``weights`` (n,) how often they come, relative to each other. What there is not is NaN.
    """

    places: NDArray[np.int64]
    boxes: Box
    faces: Box
    weights: NDArray[np.float64]

    @staticmethod
    def of(rows: Sequence[_Row]) -> _Items:
        return _Items(
            np.array([row.place for row in rows], np.int64).reshape(-1, 2),
            np.array([row.box for row in rows], np.float64).reshape(-1, 4),
            np.array([row.face for row in rows], np.float64).reshape(-1, 4),
            np.array([row.weight for row in rows], np.float64),
        )


class BoxViewDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batches of views, whether each is of a face, and the changes of its box that show it.

    Indices are ``(epoch, position)`` pairs, to be drawn by `weights`. As in
    `identities.FaceDataset`, the random state of a batch depends on the seed, the epoch and the
    first position alone.

    Args:
        sources: photos, and the candidates that a detector found in them.
        seed: of all random choices.

    Raises:
        ValueError: there is no face to learn from.
    """

    def __init__(self, sources: Sequence[tuple[DetectionCache, Candidates]], *, seed: int) -> None:
        self.caches = [cache for cache, _ in sources]
        self.seed = seed
        self._kinds = _items(sources)
        counts = [len(kind.places) for kind in self._kinds]
        if not counts[_FACE]:
            raise ValueError("no faces to learn from")
        self._ends = np.cumsum(counts)
        self.weights = np.concatenate(
            [
                share * kind.weights / max(kind.weights.sum(), 1e-9)
                for share, kind in zip(_SHARES, self._kinds, strict=True)
            ]
        )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitems__(self, indices: list[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
        """Return views ``(n, 3, 64, 64)`` float, ``(n,)`` bool and changes ``(n, 4)``."""
        cv2.setNumThreads(0)  # worker processes share the cores with the network
        epoch, first = indices[0]
        seed = batch_seed(self.seed, epoch, first)
        rng = np.random.default_rng(seed)
        views = np.empty((len(indices), VIEW_SIZE, VIEW_SIZE, 3), np.uint8)
        changes = np.zeros((len(indices), 4), np.float32)
        faces = np.zeros(len(indices), bool)
        for row, (_, position) in enumerate(indices):
            views[row], change = self._view(position, rng)
            if change is not None:
                changes[row], faces[row] = change, True
        planar = torch.from_numpy(views).permute(0, 3, 1, 2).float()
        planar = photometric(planar, torch.Generator().manual_seed(seed))
        return (
            planar.contiguous(memory_format=torch.channels_last),
            torch.from_numpy(faces),
            torch.from_numpy(changes),
        )

    def _view(
        self, position: int, rng: np.random.Generator
    ) -> tuple[ImageArray, NDArray[np.float32] | None]:
        kind = int(np.searchsorted(self._ends, position, side="right"))
        items = self._kinds[kind]
        row = position - (int(self._ends[kind - 1]) if kind else 0)
        source, number = items.places[row].tolist()
        photo = self.caches[source][number]
        box, face = items.boxes[row], items.faces[row]
        if kind == _FACE:
            box = _disturbed(face, rng)
        elif kind == _ANYWHERE:
            box = _anywhere(photo.image, photo.faces.boxes.astype(np.float64), rng)
        view = _coarse(box_view(photo.image, box), box, rng)
        change = None if np.isnan(face[0]) else changes_between(box[None], face[None])[0]
        if rng.random() < 0.5:
            view = view[:, ::-1]
            if change is not None:
                change[0] = -change[0]
        return view, change


def _items(sources: Sequence[tuple[DetectionCache, Candidates]]) -> list[_Items]:
    rows: list[list[_Row]] = [[] for _ in _SHARES]
    for source, (cache, candidates) in enumerate(sources):
        for number in range(len(cache)):
            place = (source, number)
            labels = cache[number].faces
            truth = labels.boxes.astype(np.float64)
            size = np.sqrt((truth[:, 2:] - truth[:, :2]).prod(axis=1))
            for face in truth[~labels.ignore & (size >= _SMALLEST_FACE)]:
                rows[_FACE].append(_Row(place, face, face))
            own = candidates.of(number)
            found, scores = candidates.boxes[own], candidates.scores[own].tolist()
            matches = match_candidates(found, labels).tolist()
            for box, score, match in zip(found.astype(np.float64), scores, matches, strict=True):
                if match >= 0:
                    rows[_FOUND].append(_Row(place, box, truth[match]))
                elif match == NO_FACE:
                    rows[_FALSE].append(_Row(place, box, _NOTHING, score))
            rows[_ANYWHERE].append(_Row(place, _NOTHING, _NOTHING))
    return [_Items.of(kind) for kind in rows]


def _disturbed(face: Box, rng: np.random.Generator) -> Box:
    """A box near a face, as a detector might draw it."""
    size, centre = face[2:] - face[:2], (face[:2] + face[2:]) / 2
    for _ in range(_TRIES):
        half = size * np.exp(rng.normal(0, _STRETCH, 2) + rng.normal(0, _SCALE)) / 2
        middle = centre + rng.normal(0, _SHIFT, 2) * size
        box = np.concatenate([middle - half, middle + half])
        if iou_matrix(box[None], face[None])[0, 0] >= _LEAST_IOU:
            return box
    return face


def _anywhere(photo: ImageArray, faces: Box, rng: np.random.Generator) -> Box:
    """A box in the photo that shows no face, as far as a few tries find one."""
    height, width = photo.shape[:2]
    largest = max(min(height, width) / 2, _COARSEST + 1)
    box = _NOTHING
    for _ in range(_TRIES):
        side = np.exp(rng.uniform(np.log(_COARSEST), np.log(largest)))
        centre = rng.random(2) * [width, height]
        half = np.array([0.4, 0.5]) * side
        box = np.concatenate([centre - half, centre + half])
        if not len(faces) or iou_matrix(box[None], faces).max() < 0.1:
            break
    return box


def _coarse(view: ImageArray, box: Box, rng: np.random.Generator) -> ImageArray:
    """Now and then the view as it were of a smaller face."""
    size = min(float(np.sqrt((box[2:] - box[:2]).prod())), _COARSE)
    if size <= _COARSEST or rng.random() >= _COARSE_SHARE:
        return view
    side = round(CONTEXT * float(np.exp(rng.uniform(np.log(_COARSEST), np.log(size)))))
    small = cv2.resize(view, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (VIEW_SIZE, VIEW_SIZE)), np.uint8)
