"""Face detection: resize, tile, run, decode, suppress."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from faceflow_ml.errors import WeightsError
from faceflow_ml.inference import companions, pretrained
from faceflow_ml.inference.aligner import FaceAligner
from faceflow_ml.inference.checks import check_count, check_image, check_unit
from faceflow_ml.inference.nms import blend, nms
from faceflow_ml.inference.pretrained import DetectorPreprocessing, Weights
from faceflow_ml.inference.refiner import FaceRefiner
from faceflow_ml.inference.scores import ScoreCalibration
from faceflow_ml.inference.session import Device, open_session
from faceflow_ml.inference.tiling import Region, tile
from faceflow_ml.inference.types import Detections, FloatArray, ImageArray

MultiScale = bool | Literal["auto"]

DEFAULT_SCORE_THRESHOLD = 0.5
NMS_IOU = 0.4
BLEND_IOU = 0.6
# From this score of the network on, the refiner is asked: it makes faces of some that are below
# the threshold. Five candidates a photo, about half of them faces.
_CANDIDATE_SCORE = 0.15
# Candidates per view that enter NMS; a photo holds fewer faces, and NMS is quadratic.
_MAX_CANDIDATES = 1000
# Views per run: enough to fill a GPU, few enough to bound memory. On a processor there is one a
# thread: the maps of more do not stay in its caches, and each then takes longer than alone.
_BATCH = 8
# Boxes this near to a border between tiles, in input pixels, are of faces that it cuts.
_BORDER = 2.0
_OUTPUTS = {"scores": 2, "boxes": 3, "landmarks": 3}


@dataclass(frozen=True, eq=False)
class _View:
    """One network input: a region of a photo, resized and padded."""

    photo: int
    region: Region
    scale: tuple[float, float]  # input pixels per photo pixel, in x and y
    pixels: ImageArray


class FaceDetector:
    """Finds faces with five landmarks; loads an ONNX model that obeys the detector contract.

    The model takes ``images`` uint8 (n, H, W, 3) RGB with H and W multiples of 32, and gives
    ``scores`` (n, A), ``boxes`` (n, A, 4) and ``landmarks`` (n, A, 10), decoded to input pixels.
    Where its preprocessing names a refiner, that judges each candidate again; where it names an
    aligner, that corrects the landmarks of each face together. Where its calibration has a curve
    for them, scores are the probabilities that a detection is a face, of the validation photos.

    model: a path to an ONNX file or a weights folder, or the bytes of an ONNX file.
    threads: threads for one inference, None for all cores. device: "cpu", "cuda" or "auto".
    max_side: the longest side photos are reduced to, in place of the weights' own. A larger one
        finds smaller faces in more time; the contract id changes with it.
    Raises WeightsError if the model is missing, altered or of another kind.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        threads: int | None = None,
        device: Device = "cpu",
        max_side: int | None = None,
    ):
        if isinstance(model, bytes):
            weights = pretrained.from_bytes("detector", model)
        else:
            weights = pretrained.resolve("detector", os.path.abspath(model))
        self._load(weights, threads, device, max_side)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        device: Device = "cpu",
        max_side: int | None = None,
    ) -> FaceDetector:
        """The shipped detector, or ``name``: one of the manifest, a path, or ``models:/...``."""
        detector = cls.__new__(cls)
        detector._load(pretrained.resolve("detector", name), threads, device, max_side)
        return detector

    def _load(
        self, weights: Weights, threads: int | None, device: Device, max_side: int | None
    ) -> None:
        weights = pretrained.override(weights, max_side=max_side)
        self._weights = weights
        self._preprocessing = pretrained.parse_preprocessing(DetectorPreprocessing, weights)
        self._session = open_session(weights.model, _OUTPUTS, threads=threads, device=device)
        on_gpu = "CUDAExecutionProvider" in self._session.providers
        self._batch = _BATCH if on_gpu else min(_BATCH, threads or os.cpu_count() or 1)
        refiner = companions.companion_of("refiner", weights)
        self._refiner = (
            None if refiner is None else FaceRefiner(refiner, threads=threads, device=device)
        )
        aligner = companions.companion_of("aligner", weights)
        self._aligner = (
            None if aligner is None else FaceAligner(aligner, threads=threads, device=device)
        )
        self._score_threshold = weights.calibration.get("score_threshold", DEFAULT_SCORE_THRESHOLD)
        if not 0.0 <= self._score_threshold <= 1.0:
            raise WeightsError(
                f"{weights.name}: expected a calibrated score_threshold in [0, 1], "
                f"got {self._score_threshold}"
            )
        try:
            self._score_calibration = ScoreCalibration.of_calibration(weights.calibration)
        except ValueError as error:
            raise WeightsError(f"{weights.name}: {error}") from error

    @property
    def contract_id(self) -> str:
        """Hash of weights and preprocessing."""
        return self._weights.contract_id

    @property
    def network_sha256(self) -> str:
        """Hash of the network's file alone."""
        return self._weights.sha256

    @property
    def score_threshold(self) -> float:
        """The calibrated threshold, used when ``detect`` is given none."""
        return self._score_threshold

    @property
    def score_calibration(self) -> ScoreCalibration:
        """How the networks' scores become those of ``detect``."""
        return self._score_calibration

    @property
    def aligner(self) -> FaceAligner | None:
        """What corrects the landmarks of its faces; None: nothing does."""
        return self._aligner

    def uncalibrated(self) -> FaceDetector:
        """The same detector, giving the networks' own scores; it shares their sessions."""
        plain = copy.copy(self)
        plain._score_threshold = self._score_calibration.least_score(self._score_threshold)
        plain._score_calibration = ScoreCalibration()
        return plain

    def detect(
        self,
        image: ImageArray,
        *,
        score_threshold: float | None = None,
        max_faces: int | None = None,
        multi_scale: MultiScale = "auto",
    ) -> Detections:
        """The faces of one photo, sorted by descending score.

        image: (H, W, 3) uint8 RGB.
        score_threshold: in [0, 1]; None for the weights' calibrated one.
        max_faces: keep the best only.
        multi_scale: also look at overlapping tiles of the photo at a higher resolution, for faces
            that are small in it; "auto" does where the longest side is over twice ``max_side``.
        Raises ValueError for other arguments.
        """
        return self.detect_batch(
            [image], score_threshold=score_threshold, max_faces=max_faces, multi_scale=multi_scale
        )[0]

    def detect_batch(
        self,
        images: Sequence[ImageArray],
        *,
        score_threshold: float | None = None,
        max_faces: int | None = None,
        multi_scale: MultiScale = "auto",
    ) -> list[Detections]:
        """``detect`` for photos of any sizes; views of one shape run together."""
        threshold = self._score_threshold
        if score_threshold is not None:
            threshold = check_unit(score_threshold, "score_threshold")
        if max_faces is not None:
            max_faces = check_count(max_faces, "max_faces", minimum=0)
        if multi_scale not in (True, False, "auto"):
            raise ValueError(f"expected multi_scale True, False or 'auto', got {multi_scale!r}")
        photos = [check_image(image) for image in images]
        least = self._score_calibration.least_score(threshold)
        if self._refiner is None:
            faces = self._detect(photos, least, multi_scale)
        else:
            candidates = self._detect(photos, min(least, _CANDIDATE_SCORE), multi_scale)
            faces = self._refine(self._refiner, photos, candidates, least)
        faces = [self._calibrate(some, threshold) for some in faces]
        faces = [some.select(slice(max_faces)) for some in faces]
        if self._aligner is None:
            return faces
        landmarks = self._aligner.correct_batch(photos, [some.landmarks for some in faces])
        return [
            Detections(some.boxes, some.scores, points)
            for some, points in zip(faces, landmarks, strict=True)
        ]

    def _calibrate(self, faces: Detections, threshold: float) -> Detections:
        scores = self._score_calibration.probability(faces.scores)
        return Detections(faces.boxes, scores, faces.landmarks).select(scores >= threshold)

    def candidates(
        self, images: Sequence[ImageArray], *, score_threshold: float
    ) -> list[Detections]:
        """What the network by itself takes for faces, refined and aligned by nothing."""
        threshold = check_unit(score_threshold, "score_threshold")
        return self._detect([check_image(image) for image in images], threshold, "auto")

    def _detect(
        self, photos: Sequence[ImageArray], threshold: float, multi_scale: MultiScale
    ) -> list[Detections]:
        found: list[list[Detections]] = [[] for _ in photos]
        by_shape: dict[tuple[int, ...], list[_View]] = defaultdict(list)
        for number, photo in enumerate(photos):
            for view in self._views(number, photo, multi_scale):
                group = by_shape[view.pixels.shape]
                group.append(view)
                if len(group) == self._batch:
                    self._run(by_shape.pop(view.pixels.shape), photos, threshold, found)
        for group in by_shape.values():
            self._run(group, photos, threshold, found)
        return [_suppress(_concatenate(parts)) for parts in found]

    def _refine(
        self,
        refiner: FaceRefiner,
        photos: Sequence[ImageArray],
        candidates: Sequence[Detections],
        threshold: float,
    ) -> list[Detections]:
        """Candidates with what the refiner makes of their boxes and scores; the best first."""
        judged = refiner.refine_batch(
            photos, [some.boxes for some in candidates], [some.scores for some in candidates]
        )
        faces = []
        for photo, some, (boxes, scores) in zip(photos, candidates, judged, strict=True):
            height, width = photo.shape[:2]
            boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
            kept = nms(boxes, scores, NMS_IOU)
            kept = kept[(scores[kept] >= threshold) & _have_area(boxes[kept])]
            faces.append(Detections(boxes[kept], scores[kept], some.landmarks[kept]))
        return faces

    def _views(self, number: int, photo: ImageArray, multi_scale: MultiScale) -> list[_View]:
        height, width = photo.shape[:2]
        max_side = self._preprocessing.max_side
        regions = [Region(0, 0, width, height)]
        if multi_scale is True or (multi_scale == "auto" and max(width, height) > 2 * max_side):
            regions += tile(width, height, max_side)
        return [self._view(number, photo, region) for region in regions]

    def _view(self, number: int, photo: ImageArray, region: Region) -> _View:
        settings = self._preprocessing
        longest = max(region.width, region.height)
        wanted = min(max(longest, settings.min_side), settings.max_side)
        width = max(1, round(region.width * wanted / longest))
        height = max(1, round(region.height * wanted / longest))
        pixels = photo[region.y1 : region.y2, region.x1 : region.x2]
        if wanted != longest:
            # As in training: averaged where small faces would alias away between sampled pixels.
            method = cv2.INTER_AREA if wanted < longest * 2 / 3 else cv2.INTER_LINEAR
            pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=method))
        step = settings.multiple
        shape = (-(-height // step) * step, -(-width // step) * step, 3)
        if pixels.shape != shape:
            padded = np.full(shape, settings.pad_value, dtype=np.uint8)
            padded[:height, :width] = pixels
            pixels = padded
        return _View(number, region, (width / region.width, height / region.height), pixels)

    def _run(
        self,
        views: Sequence[_View],
        photos: Sequence[ImageArray],
        threshold: float,
        found: list[list[Detections]],
    ) -> None:
        scores, boxes, points = self._session.run(np.stack([view.pixels for view in views]))
        anchors = scores.shape[1]
        if boxes.shape[1:] != (anchors, 4) or points.shape[1:] != (anchors, 10):
            raise WeightsError(
                f"{self._weights.name}: expected scores (n, A), boxes (n, A, 4), landmarks "
                f"(n, A, 10), got {scores.shape}, {boxes.shape}, {points.shape}"
            )
        for i, view in enumerate(views):
            best = _candidates(scores[i], threshold)
            height, width = photos[view.photo].shape[:2]
            faces = _to_photo(scores[i, best], boxes[i, best], points[i, best], view)
            faces = _inside(faces, view, width, height)
            found[view.photo].append(_suppress(faces))


def _candidates(scores: FloatArray, threshold: float) -> npt.NDArray[np.intp]:
    best = np.flatnonzero(scores >= threshold)
    if len(best) > _MAX_CANDIDATES:
        order = np.argsort(-scores[best], kind="stable")
        best = best[order[:_MAX_CANDIDATES]]
    return best


def _to_photo(scores: FloatArray, boxes: FloatArray, points: FloatArray, view: _View) -> Detections:
    # Corners of pixels, not centres, have whole coordinates, so scaling needs no half-pixel shift.
    scale = np.array(view.scale)
    origin = np.array([view.region.x1, view.region.y1])
    corners = boxes.reshape(-1, 2, 2) / scale + origin
    landmarks = points.reshape(-1, 5, 2) / scale + origin
    return Detections(corners.reshape(-1, 4), np.clip(scores, 0.0, 1.0), landmarks)


def _inside(faces: Detections, view: _View, width: int, height: int) -> Detections:
    """Clip to the photo; drop what lies outside it, and faces cut by a border inside it."""
    region = view.region
    margin_x, margin_y = (_BORDER / s for s in view.scale)
    x1, y1, x2, y2 = faces.boxes.T
    whole = (
        ((region.x1 == 0) | (x1 > region.x1 + margin_x))
        & ((region.y1 == 0) | (y1 > region.y1 + margin_y))
        & ((region.x2 == width) | (x2 < region.x2 - margin_x))
        & ((region.y2 == height) | (y2 < region.y2 - margin_y))
    )
    boxes = np.clip(faces.boxes, 0, np.array([width, height, width, height], dtype=np.float32))
    return Detections(boxes, faces.scores, faces.landmarks).select(whole & _have_area(boxes))


def _have_area(boxes: FloatArray) -> npt.NDArray[np.bool_]:
    return np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))


def _suppress(faces: Detections) -> Detections:
    kept = nms(faces.boxes, faces.scores, NMS_IOU)
    boxes, landmarks = blend(faces.boxes, faces.scores, faces.landmarks, kept, BLEND_IOU)
    return Detections(boxes, faces.scores[kept], landmarks)


def _concatenate(parts: Sequence[Detections]) -> Detections:
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
    )
