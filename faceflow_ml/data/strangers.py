"""Faces of people without names, cut out of photos that were labelled for detection.

Sets of identities are small beside the number of people an embedder must tell apart. A stranger is
one face with a label of its own: training sees few views of it, but everybody else is to be unlike
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.parquet import encode_webp, write_shard
from faceflow_ml.data.records import DetectionSample
from faceflow_ml.inference.pipeline import FacePipeline

SOURCE = "strangers"

_PHOTOS = 16  # detected together
_BLOCK = 512  # faces compared at once


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """Faces cut out of photos.

    Attributes:
        crops: ``(n, 112, 112, 3)`` uint8 RGB on the ArcFace template.
        vectors: ``(n, 512)`` float32, L2-normalised.
        scores: ``(n,)`` float32 in [0, 1], of the detector.
        eye_px: ``(n,)`` float32, distance of the eyes in the photo.
        names: n names, the photo's and the face's number in it.
    """

    crops: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    scores: NDArray[np.float32]
    eye_px: NDArray[np.float32]
    names: tuple[str, ...]


def cut_out_faces(
    photos: Sequence[DetectionSample],
    pipeline: FacePipeline,
    *,
    min_score: float,
    min_eye_px: float,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> FoundFaces:
    """Detect, align and embed the faces of ``photos``; their labels are not read.

    Args:
        photos: photos of any size.
        pipeline: the models.
        min_score: least score of a face.
        min_eye_px: least distance of its eyes, in pixels of the photo.
        on_progress: told the photos done and all of them.

    Raises:
        ImageError: a photo cannot be read.
    """
    crops, vectors, scores, eyes = [], [], [], []
    names: list[str] = []
    batches = [photos[start : start + _PHOTOS] for start in range(0, len(photos), _PHOTOS)]
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        decoded = [pool.submit(_decode, batch) for batch in batches[:1]]
        done = 0
        for position, batch in enumerate(batches):
            images = decoded.pop().result()
            decoded += [pool.submit(_decode, next_) for next_ in batches[position + 1 :][:1]]
            found = pipeline.run_batch(images, score_threshold=min_score)
            for photo, result in zip(batch, found, strict=True):
                points = result.detections.landmarks
                eye_px = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
                kept = np.flatnonzero(eye_px >= min_eye_px)
                crops.append(result.crops[kept])
                vectors.append(result.vectors[kept])
                scores.append(result.detections.scores[kept])
                eyes.append(eye_px[kept].astype(np.float32))
                names += [f"{photo.name}#{number}" for number in kept.tolist()]
            done += len(batch)
            on_progress(done, len(photos))
    return FoundFaces(
        np.concatenate(crops),
        np.concatenate(vectors),
        np.concatenate(scores),
        np.concatenate(eyes),
        tuple(names),
    )


def different_people(
    vectors: NDArray[np.float32], known: NDArray[np.float32], max_cosine: float
) -> NDArray[np.intp]:
    """Positions of faces that are nobody known, and one of each person only.

    Goes through the faces in order and keeps one if its cosine to everyone known, and to every
    face kept before, is below ``max_cosine``.

    Args:
        vectors: ``(n, d)`` L2-normalised, the best faces first.
        known: ``(m, d)`` L2-normalised centres of known people; m may be 0.
        max_cosine: from which on two vectors may be one person.

    Returns:
        Ascending positions.

    >>> import numpy as np
    >>> faces = np.array([[1, 0], [0.9, 0.435], [0, 1], [-1, 0]], np.float32)
    >>> different_people(faces, np.array([[-1, 0]], np.float32), 0.8).tolist()
    [0, 2]
    """
    kept: list[int] = []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        taken = np.concatenate([known, vectors[kept]])
        free = np.ones(len(block), bool)
        if len(taken):
            free = (block @ taken.T).max(axis=1) < max_cosine
        alike = block @ block.T >= max_cosine
        for row in range(len(block)):
            if free[row]:
                kept.append(start + row)
                free[row + 1 :] &= ~alike[row, row + 1 :]
    return np.array(kept, np.intp)


def write_strangers(file: Path, faces: FoundFaces, chosen: Iterable[int]) -> None:
    """Write the chosen faces as an identity shard, each an identity of its own."""
    rows: dict[str, list[object]] = {
        name: [] for name in ("image", "identity", "source", "name", "det_score", "eye_px")
    }
    for position in chosen:
        rows["image"].append(encode_webp(faces.crops[position]))
        rows["identity"].append(f"{SOURCE}/{faces.names[position]}")
        rows["source"].append(SOURCE)
        rows["name"].append(faces.names[position])
        rows["det_score"].append(float(faces.scores[position]))
        rows["eye_px"].append(float(faces.eye_px[position]))
    write_shard(file, rows)


def _decode(photos: Sequence[DetectionSample]) -> list[NDArray[np.uint8]]:
    return [photo.decode() for photo in photos]
