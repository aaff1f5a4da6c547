"""What a job writes of each photo; complete once its record is there, and never written twice.

``photos/ID.json`` is the record, ``vectors/ID.npy`` holds (n, 512) float32 for its n faces and
``crops/FACE.png`` the aligned faces, lossless, since an embedding is only as exact as its pixels.
Ids derive from content, so that copies of a photo share their files.
"""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faceflow_ml.album.records import ID_LENGTH, face_id
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import PART_PREFIX, atomic_path, atomic_write_bytes, atomic_write_text
from faceflow_ml.inference.images import Photo
from faceflow_ml.inference.types import FaceResult, ImageArray


@dataclass(frozen=True)
class Models:
    """Contract ids of the models in use; records of others are not taken for finished."""

    detector: str
    embedder: str


class Results:
    """The output folder, and the output of an earlier job that was interrupted, if there is one."""

    def __init__(self, folder: Path, previous: Path, models: Models) -> None:
        self._folder = folder
        self._previous = previous
        self._models = models

    def remove_parts(self) -> None:
        """Remove what a killed job left half-written; one process writes to a folder at a time."""
        for part in (
            *self._folder.glob(f"{PART_PREFIX}*"),
            *self._folder.glob(f"*/{PART_PREFIX}*"),
        ):
            part.unlink(missing_ok=True)

    def finished(self, sha256: str) -> int | None:
        """How many faces a photo has that was finished before; None if it was not.

        One that the earlier job finished is copied over.
        """
        record = self._read(self._folder, sha256)
        if record is not None:
            return len(record["faces"])
        record = self._read(self._previous, sha256)
        if record is None:
            return None
        names = _files(record)
        for name in names:
            with atomic_path(self._folder / name) as part:
                shutil.copyfile(self._previous / name, part)
        self._write_record(sha256, record)
        return len(record["faces"])

    def write(self, sha256: str, photo: Photo, result: FaceResult) -> None:
        """Write the files of a photo, its record last.

        result: of the pixels that were decoded; the record is in those of the photo's full size.
        """
        identity = photo_id(sha256)
        faces = []
        seen: dict[str, int] = {}
        scale = photo.width / photo.pixels.shape[1]
        boxes, landmarks = result.detections.boxes * scale, result.detections.landmarks * scale
        for number, crop in enumerate(result.crops):
            plain = face_id(sha256, boxes[number])
            nth = seen[plain] = seen.get(plain, -1) + 1
            name = face_id(sha256, boxes[number], nth)
            atomic_write_bytes(self._folder / f"crops/{name}.png", _png(crop))
            faces.append(
                {
                    "face_id": name,
                    "box": boxes[number].tolist(),
                    "score": float(result.detections.scores[number]),
                    "landmarks": landmarks[number].tolist(),
                    "quality": float(result.quality[number]),
                    "crop": f"crops/{name}.png",
                }
            )
        vectors = io.BytesIO()
        np.save(vectors, result.vectors, allow_pickle=False)
        atomic_write_bytes(self._folder / f"vectors/{identity}.npy", vectors.getvalue())
        record = {
            "version": 1,
            "photo_id": identity,
            "sha256": sha256,
            "width": photo.width,
            "height": photo.height,
            "format": photo.format,
            "models": vars(self._models),
            "vectors": f"vectors/{identity}.npy",
            "faces": faces,
        }
        self._write_record(sha256, record)

    def _write_record(self, sha256: str, record: dict[str, Any]) -> None:
        atomic_write_text(
            self._folder / f"photos/{photo_id(sha256)}.json", json.dumps(record, allow_nan=False)
        )

    def _read(self, folder: Path, sha256: str) -> dict[str, Any] | None:
        """The record of a photo that is finished in ``folder`` with the same models."""
        try:
            text = (folder / f"photos/{photo_id(sha256)}.json").read_text(encoding="utf-8")
            record: dict[str, Any] = json.loads(text)
            same = record["models"] == vars(self._models) and record["sha256"] == sha256
            whole = same and all((folder / name).is_file() for name in _files(record))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # absent, or not by this job: it is made anew
        return record if whole else None


def photo_id(sha256: str) -> str:
    """The id of a photo with this content; the library's."""
    return sha256[:ID_LENGTH]


def _files(record: dict[str, Any]) -> list[str]:
    names = [face["crop"] for face in record["faces"]] + [record["vectors"]]
    # The earlier output comes from outside: its names must not lead elsewhere.
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names):
        raise ValueError("a name that leads out of the folder")
    return names


def _png(crop: ImageArray) -> bytes:
    ok, data = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
    if not ok:
        raise FaceFlowError("a crop could not be encoded")
    return data.tobytes()
