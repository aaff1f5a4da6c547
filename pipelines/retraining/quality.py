"""How good is a set of labelled faces? Counts, blur, size, duplicates, labels in doubt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.neighbors import similar_pairs
from faceflow_ml.data.folders import read_identity_folders
from faceflow_ml.data.identities import FACE_SIZE
from faceflow_ml.data.parquet import read_identity_shards, shard_files
from faceflow_ml.data.records import IdentitySample, ImageArray
from faceflow_ml.dedup.hashing import hamming, phash64
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.quality import quality_parts
from faceflow_ml.inference.types import Detections
from pipelines.retraining.hard_pairs import threshold_of
from pipelines.retraining.training_set import PAIR_FACES, SUMMARY

_BATCH = 64
_NEIGHBOURS = 16
_SAME_PICTURE_BITS = 6
_SAME_PICTURE_COSINE = 0.9


@dataclass(frozen=True)
class QualityLimits:
    """What is worth looking at.

    least_faces: of an identity. sharpness: in [0, 1], see `faceflow_ml.inference.quality`.
    eye_px: distance of the eyes in the photo. alike: cosine of two identities' mean vectors.
    """

    least_faces: int = 3
    sharpness: float = 0.3
    eye_px: float = 15.0
    alike: float = 0.6


@dataclass(frozen=True)
class Suspect:
    """Two faces, or a face and its identity, that do not fit: positions in the set."""

    face: int
    other: int
    cosine: float


@dataclass(frozen=True, eq=False)
class Quality:
    """Of n faces of m identities.

    Attributes:
        counts: (m,) faces of each identity.
        sharpness: (n,) in [0, 1].
        eye_px: (n,) pixels, NaN where unknown.
        own_cosine: (n,) of each face with the mean of its identity's other faces; NaN if none.
        same_picture: one picture under two identities.
        alike: identities that look like one person: a face of each.
        doubtful: faces unlike the rest of their identity, the least like first.
        conflicts: contradictions in the corrections, by kind, as the training set has them.
    """

    samples: Sequence[IdentitySample]
    identities: tuple[str, ...]
    labels: NDArray[np.int64]
    counts: NDArray[np.int64]
    sharpness: NDArray[np.float32]
    eye_px: NDArray[np.float32]
    own_cosine: NDArray[np.float32]
    same_picture: tuple[Suspect, ...]
    alike: tuple[Suspect, ...]
    doubtful: tuple[Suspect, ...]
    conflicts: dict[str, int] = field(default_factory=dict)
    limits: QualityLimits = field(default_factory=QualityLimits)

    def summary(self) -> dict[str, object]:
        """The numbers."""
        known = self.eye_px[np.isfinite(self.eye_px)]
        return {
            "faces": len(self.samples),
            "identities": len(self.identities),
            "faces_per_identity": {
                "fewest": int(self.counts.min()),
                "median": float(np.median(self.counts)),
                "most": int(self.counts.max()),
            },
            "too_few_faces": int((self.counts < self.limits.least_faces).sum()),
            "blurred": int((self.sharpness < self.limits.sharpness).sum()),
            "size_known": len(known),
            "small": int((known < self.limits.eye_px).sum()),
            "same_picture_two_identities": len(self.same_picture),
            "identities_alike": len(self.alike),
            "doubtful_labels": len(self.doubtful),
            "conflicts": self.conflicts,
            "sources": dict(sorted(Counter(s.source for s in self.samples).items())),
            "limits": asdict(self.limits),
        }


def read_labelled(source: Path) -> list[IdentitySample]:
    """The faces of shards (train and val) or of a folder a person.

    Raises:
        FaceFlowError: there are none.
    """
    if source.is_file():
        return read_identity_shards(source)
    if any(source.glob("*.parquet")):
        shards = [file for file in shard_files(source) if file.name != PAIR_FACES]
        return read_identity_shards(shards)
    return read_identity_folders(source)


def measure_quality(
    source: Path, embedder: FaceEmbedder, limits: QualityLimits | None = None
) -> Quality:
    """Look at every face of a labelled set.

    Raises:
        FaceFlowError: there are no faces, or one cannot be read.
    """
    limits = limits or QualityLimits()
    samples = read_labelled(source)
    if not samples:
        raise FaceFlowError(f"{source}: there are no faces")
    names, labels = np.unique([sample.identity for sample in samples], return_inverse=True)
    labels = labels.astype(np.int64)
    vectors, sharpness, hashes = _look(samples, embedder)
    counts = np.bincount(labels)
    own = _own_cosine(vectors, labels)
    threshold = threshold_of(embedder)
    strangers = np.flatnonzero(own < threshold)
    doubtful = [
        Suspect(int(k), int(k), float(own[k])) for k in strangers[np.argsort(own[strangers])]
    ]
    return Quality(
        samples=samples,
        identities=tuple(names.tolist()),
        labels=labels,
        counts=counts,
        sharpness=sharpness,
        eye_px=np.array([sample.eye_px for sample in samples], np.float32),
        own_cosine=own,
        same_picture=_same_pictures(vectors, labels, hashes),
        alike=_alike(vectors, labels, limits.alike),
        doubtful=tuple(doubtful),
        conflicts=_conflicts(source),
        limits=limits,
    )


def decode_face(sample: IdentitySample) -> ImageArray:
    """(112, 112, 3) uint8 RGB; ImageError if it cannot be read."""
    import cv2

    face = sample.decode()
    if face.shape[:2] == (FACE_SIZE, FACE_SIZE):
        return face
    size = (FACE_SIZE, FACE_SIZE)
    return np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA), np.uint8)


def _look(
    samples: Sequence[IdentitySample], embedder: FaceEmbedder
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint64]]:
    vectors, sharpness = [], []
    hashes = np.zeros(len(samples), np.uint64)
    whole = np.array([[0.0, 0.0, FACE_SIZE, FACE_SIZE]], np.float32)
    place = Detections(whole, np.ones(1, np.float32), ARCFACE_TEMPLATE[None].astype(np.float32))
    for start in range(0, len(samples), _BATCH):
        faces = np.stack([decode_face(sample) for sample in samples[start : start + _BATCH]])
        vectors.append(embedder.embed(faces))
        for k, face in enumerate(faces):
            sharpness.append(quality_parts(face, place, crops=face[None]).sharpness[0])
            hashes[start + k] = phash64(face)
    return np.concatenate(vectors), np.array(sharpness, np.float32), hashes


def _own_cosine(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    sums = np.zeros((int(labels.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    others = sums[labels] - vectors
    lengths = np.linalg.norm(others, axis=1)
    cosines = np.einsum("nd,nd->n", vectors, others) / np.maximum(lengths, 1e-6)
    return np.asarray(np.where(np.bincount(labels)[labels] > 1, cosines, np.nan), np.float32)


def _same_pictures(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], hashes: NDArray[np.uint64]
) -> tuple[Suspect, ...]:
    pairs = similar_pairs(vectors, min(_NEIGHBOURS, max(1, len(vectors) - 1)))
    pairs = pairs.above(_SAME_PICTURE_COSINE)
    two = labels[pairs.first] != labels[pairs.second]
    close = hamming(hashes[pairs.first], hashes[pairs.second]) <= _SAME_PICTURE_BITS
    return tuple(
        Suspect(int(pairs.first[k]), int(pairs.second[k]), float(pairs.similarity[k]))
        for k in np.flatnonzero(two & close)
    )


def _alike(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], least: float
) -> tuple[Suspect, ...]:
    sums = np.zeros((int(labels.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    if len(means) < 2:
        return ()
    pairs = similar_pairs(means, min(_NEIGHBOURS, len(means) - 1)).above(least)
    first_face = np.zeros(len(means), np.int64)
    first_face[labels[::-1]] = np.arange(len(labels))[::-1]
    order = np.argsort(-pairs.similarity, kind="stable")
    return tuple(
        Suspect(
            int(first_face[pairs.first[k]]),
            int(first_face[pairs.second[k]]),
            float(pairs.similarity[k]),
        )
        for k in order
    )


def _conflicts(source: Path) -> dict[str, int]:
    file = source / SUMMARY
    if not file.is_file():
        return {}
    found: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))["conflicts"]
    return found
