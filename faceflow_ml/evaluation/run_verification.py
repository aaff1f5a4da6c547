"""Measure an embedder: on pairs of whole photos, and on aligned faces of known people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.records import IdentitySample, decode_rgb
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.evaluation.main_face import main_face
from faceflow_ml.evaluation.pair_sources import Pair
from faceflow_ml.evaluation.rejection import RejectCurve, all_pair_quality, error_versus_reject
from faceflow_ml.evaluation.resampling import tar_interval_over_identities
from faceflow_ml.evaluation.verification import (
    Interval,
    all_pair_scores,
    best_threshold,
    kfold_accuracy,
    roc_curve,
    tar_at_far_interval,
    threshold_at_far,
)
from faceflow_ml.inference.aligner import FaceAligner
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.pipeline import FacePipeline
from faceflow_ml.inference.types import CROP_SIZE, EMBEDDING_DIM, FloatArray, ImageArray

MISSED_SIMILARITY = -1.0
"""Of a pair with a photo in which no face was found: nobody is recognised there."""
FOLDS = 10
_BATCH = 16

OnDone = Callable[[int], None]
"""Called with the number of photos or faces done since its last call."""


@dataclass(frozen=True)
class PairMetrics:
    """Verification on pairs of photos, detector and aligner included.

    accuracy: `FOLDS`-fold, LFW's protocol; a pair with a missed face counts as an error, whichever
        kind it is of. roc_auc, tar_at_far_*: a pair with a missed face has the lowest similarity.
    faces_missed: share of the photos in which no face was found.
    threshold: cosine similarity with the best balanced accuracy.
    """

    pairs: int
    genuine_pairs: int
    impostor_pairs: int
    photos: int
    missed_photos: int
    faces_missed: float
    accuracy: Interval
    roc_auc: float
    tar_at_far_1e_2: Interval
    tar_at_far_1e_3: Interval
    threshold: float


@dataclass(frozen=True)
class IdentityMetrics:
    """Verification over all pairs of aligned faces; intervals are over people.

    threshold_*: cosine similarities, accept at or above.
    """

    faces: int
    identities: int
    genuine_pairs: int
    impostor_pairs: int
    roc_auc: float
    tar_at_far_1e_3: Interval
    tar_at_far_1e_4: Interval
    threshold_at_far_1e_3: float
    threshold_at_far_1e_4: float
    threshold_balanced: float


@dataclass(frozen=True, eq=False)
class MainFaces:
    """The main faces of photos, those n in which one was found.

    names: of their photos, sorted. vectors: (n, 512) float32, L2-normalised. quality: (n,) float32
    in [0, 1]. crops: (n, 112, 112, 3) uint8, aligned. photos: that were looked at.
    """

    names: tuple[str, ...]
    vectors: FloatArray
    quality: FloatArray
    crops: ImageArray
    photos: int


@dataclass(frozen=True, eq=False)
class PairRun:
    """Pairs, their cosine similarities (n,), the faces they were computed from, and the measures.

    rows: (n, 2) positions in ``faces``, -1 where a photo has none; missed: (n,) those pairs.
    """

    pairs: Sequence[Pair]
    scores: FloatArray
    same: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    faces: MainFaces
    rows: NDArray[np.int64]
    metrics: PairMetrics

    @property
    def quality(self) -> FloatArray:
        """(n,) that of the poorer face of each pair; 0 where a face is missed."""
        if not len(self.faces.names):
            return np.zeros(len(self.pairs), np.float32)
        poorer = self.faces.quality[self.rows].min(axis=1)
        return np.where(self.missed, np.float32(0), poorer)


@dataclass(frozen=True, eq=False)
class IdentityRun:
    """Vectors (n, 512), norms (n,) and labels (n,) of aligned faces, and the measures."""

    vectors: FloatArray
    norms: FloatArray
    labels: NDArray[np.int64]
    metrics: IdentityMetrics


def embed_main_faces(
    pipeline: FacePipeline,
    photos: Mapping[str, bytes | Path],
    *,
    on_done: OnDone = lambda count: None,
) -> MainFaces:
    """Find the main face of every photo and embed it.

    Raises:
        ImageError: a photo cannot be read.
    """
    names = sorted(photos)
    found, vectors, quality, crops = [], [], [], []
    for start in range(0, len(names), _BATCH):
        batch = names[start : start + _BATCH]
        images = [_decode(photos[name], name) for name in batch]
        for name, image, result in zip(batch, images, pipeline.run_batch(images), strict=True):
            height, width = image.shape[:2]
            faces = result.detections
            main = main_face(faces.boxes, faces.scores, width, height)
            if main is not None:
                found.append(name)
                vectors.append(result.vectors[main])
                quality.append(result.quality[main])
                crops.append(result.crops[main].copy())  # not a view that keeps the other faces
        on_done(len(batch))
    return MainFaces(
        names=tuple(found),
        vectors=np.array(vectors, np.float32).reshape(-1, EMBEDDING_DIM),
        quality=np.array(quality, np.float32),
        crops=np.array(crops, np.uint8).reshape(-1, CROP_SIZE, CROP_SIZE, 3),
        photos=len(names),
    )


def run_pairs(
    pipeline: FacePipeline,
    pairs: Sequence[Pair],
    photos: Mapping[str, bytes | Path],
    *,
    on_done: OnDone = lambda count: None,
) -> PairRun:
    """Find the main face of every photo, embed it, and verify every pair.

    Raises:
        ImageError: a photo cannot be read.
        ValueError: the pairs are all of one kind.
    """
    names = {name for pair in pairs for name in (pair.a, pair.b)}
    faces = embed_main_faces(pipeline, {name: photos[name] for name in names}, on_done=on_done)
    row = {name: i for i, name in enumerate(faces.names)}
    rows = np.array([[row.get(pair.a, -1), row.get(pair.b, -1)] for pair in pairs], np.int64)
    same = np.array([pair.same for pair in pairs])
    missed = np.asarray((rows < 0).any(axis=1))
    first, second = rows[~missed].T
    scores = np.full(len(pairs), MISSED_SIMILARITY, np.float32)
    scores[~missed] = np.einsum("ij,ij->i", faces.vectors[first], faces.vectors[second])
    metrics = pair_metrics(scores, same, missed, photos=faces.photos, found=len(faces.names))
    return PairRun(pairs, scores, same, missed, faces, rows, metrics)


def reject_all_pairs(
    faces: MainFaces, person_of: Mapping[str, str], far: float
) -> RejectCurve | None:
    """`error_versus_reject` over all pairs of the faces whose person is known.

    None where no threshold has that false accept rate, or all pairs are of one kind.
    """
    known = [i for i, name in enumerate(faces.names) if name in person_of]
    number = {person: i for i, person in enumerate(sorted(set(person_of.values())))}
    labels = np.array([number[person_of[faces.names[i]]] for i in known], np.int64)
    scores, same = all_pair_scores(faces.vectors[known], labels)
    if not same.any() or same.all():
        return None
    curve = error_versus_reject(scores, same, all_pair_quality(faces.quality[known]), far)
    return curve if np.isfinite(curve.threshold) else None


def pair_metrics(
    scores: FloatArray,
    same: NDArray[np.bool_],
    missed: NDArray[np.bool_],
    *,
    photos: int,
    found: int,
) -> PairMetrics:
    """All measures of ``(n,)`` similarities; ``missed`` are pairs with a missed face."""
    scores = np.where(missed, MISSED_SIMILARITY, scores)
    # For the accuracy, which the two kinds of error enter alike, a missed face is an error even
    # between two people, where saying "not the same" would be right by accident.
    strict = np.where(missed & ~same, -MISSED_SIMILARITY, scores)
    return PairMetrics(
        pairs=len(scores),
        genuine_pairs=int(same.sum()),
        impostor_pairs=int((~same).sum()),
        photos=photos,
        missed_photos=photos - found,
        faces_missed=(photos - found) / photos,
        accuracy=kfold_accuracy(strict, same, FOLDS),
        roc_auc=roc_curve(scores, same).auc,
        tar_at_far_1e_2=tar_at_far_interval(scores, same, 1e-2),
        tar_at_far_1e_3=tar_at_far_interval(scores, same, 1e-3),
        threshold=best_threshold(scores, same),
    )


def run_identities(
    embedder: FaceEmbedder,
    samples: Sequence[IdentitySample],
    *,
    aligner: FaceAligner | None,
    on_done: OnDone = lambda count: None,
) -> IdentityRun:
    """Embed aligned faces and verify all their pairs; memory grows with their number.

    Args:
        embedder: the model to measure.
        samples: aligned faces.
        aligner: places every face as it does behind a detector; None leaves them as they are.
        on_done: told how many faces were done.

    Raises:
        FaceFlowError: a face is not of the aligned size.
        ImageError: a face cannot be read.
    """
    vectors, norms = [], []
    for start in range(0, len(samples), _BATCH):
        batch = samples[start : start + _BATCH]
        crops = [sample.decode() for sample in batch]
        for sample, crop in zip(batch, crops, strict=True):
            if crop.shape[:2] != (CROP_SIZE, CROP_SIZE):
                raise FaceFlowError(
                    f"{sample.name}: expected an aligned face of {CROP_SIZE} x {CROP_SIZE} "
                    f"pixels, got {crop.shape[1]} x {crop.shape[0]}"
                )
        faces = np.stack(crops)
        if aligner is not None:
            faces = aligner.place(faces)
        part = embedder.embed_with_norms(faces)
        vectors.append(part[0])
        norms.append(part[1])
        on_done(len(batch))
    number = {name: i for i, name in enumerate(sorted({s.identity for s in samples}))}
    labels = np.array([number[sample.identity] for sample in samples], np.int64)
    stacked = np.concatenate(vectors)
    metrics = identity_metrics(stacked, labels)
    return IdentityRun(stacked, np.concatenate(norms), labels, metrics)


def identity_metrics(vectors: FloatArray, labels: NDArray[np.int64]) -> IdentityMetrics:
    """All measures of ``(n, d)`` L2-normalised vectors with ``(n,)`` labels.

    Raises:
        ValueError: there are no two faces of one person, or only one person.
    """
    scores, same = all_pair_scores(vectors, labels)
    return IdentityMetrics(
        faces=len(vectors),
        identities=len(np.unique(labels)),
        genuine_pairs=int(same.sum()),
        impostor_pairs=int((~same).sum()),
        roc_auc=roc_curve(scores, same).auc,
        tar_at_far_1e_3=tar_interval_over_identities(vectors, labels, 1e-3),
        tar_at_far_1e_4=tar_interval_over_identities(vectors, labels, 1e-4),
        threshold_at_far_1e_3=threshold_at_far(scores, same, 1e-3),
        threshold_at_far_1e_4=threshold_at_far(scores, same, 1e-4),
        threshold_balanced=best_threshold(scores, same),
    )


def worst_pairs(run: PairRun, count: int) -> tuple[list[int], list[int]]:
    """Positions of the pairs of one person that are least alike, and of the pairs of two people
    that are most alike, without pairs with a missed face: up to ``count`` each."""
    order = np.argsort(run.scores, kind="stable")
    seen = order[~run.missed[order]]
    genuine, impostor = seen[run.same[seen]], seen[~run.same[seen]][::-1]
    return genuine[:count].tolist(), impostor[:count].tolist()


def _decode(photo: bytes | Path, name: str) -> ImageArray:
    return decode_rgb(photo if isinstance(photo, bytes) else photo.read_bytes(), name)
