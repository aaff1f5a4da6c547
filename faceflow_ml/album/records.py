"""What the job keeps about one photo, and the ids that derive from it."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from faceflow_ml.inference.types import EMBEDDING_DIM, Detections, FloatArray

ID_LENGTH = 16
"""Hex digits of an id: 64 bits, so that albums of millions of faces do not collide."""


@dataclass(frozen=True, eq=False)
class PhotoRecord:
    """Everything computed from the content of one photo with n faces.

    sha256: of the file's bytes; width, height: pixels after EXIF rotation.
    format: what the content is, whatever the file's name says.
    size_bytes: of the file.
    vectors: (n, 512) float32, L2-normalised; quality: (n,) float32 in [0, 1].
    phash, thumb: what de-duplication compares, see ``faceflow_ml.dedup.hashing``.
    """

    sha256: str
    width: int
    height: int
    format: str
    size_bytes: int
    detections: Detections
    vectors: FloatArray
    quality: FloatArray
    phash: np.uint64
    thumb: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        n = len(self.detections)
        if self.vectors.shape != (n, EMBEDDING_DIM) or self.quality.shape != (n,):
            raise ValueError(
                f"expected vectors ({n}, {EMBEDDING_DIM}) and quality ({n},), got "
                f"{self.vectors.shape} and {self.quality.shape}"
            )

    @property
    def face_ids(self) -> list[str]:
        """One id a face, all different."""
        seen: Counter[str] = Counter()
        ids = []
        for box in self.detections.boxes:
            plain = face_id(self.sha256, box)
            ids.append(face_id(self.sha256, box, nth=seen[plain]))
            seen[plain] += 1
        return ids

    @property
    def photo_id(self) -> str:
        """The id that names this photo's thumbnail."""
        return self.sha256[:ID_LENGTH]


def face_id(photo_sha256: str, box: FloatArray, nth: int = 0) -> str:
    """The id of the face in ``box`` (x1, y1, x2, y2) of a photo: the same on every run.

    nth: tells apart faces whose boxes are equal to the pixel.
    """
    corners = ",".join(str(round(float(value))) for value in box)
    text = f"{photo_sha256}:{corners}" + (f":{nth}" if nth else "")
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def pack(record: PhotoRecord) -> bytes:
    """``record`` as an uncompressed ``.npz``, whose CRCs tell damage."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        size=np.array([record.width, record.height, record.size_bytes], np.int64),
        format=np.array(record.format),
        boxes=record.detections.boxes,
        scores=record.detections.scores,
        landmarks=record.detections.landmarks,
        vectors=record.vectors,
        quality=record.quality,
        phash=record.phash,
        thumb=record.thumb,
    )
    return buffer.getvalue()


def unpack(sha256: str, data: bytes) -> PhotoRecord:
    """The inverse of ``pack``.

    Raises:
        ValueError: the data are damaged or of another shape.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            width, height, size_bytes = (int(value) for value in arrays["size"])
            return PhotoRecord(
                sha256=sha256,
                width=width,
                height=height,
                format=str(arrays["format"]),
                size_bytes=size_bytes,
                detections=Detections(arrays["boxes"], arrays["scores"], arrays["landmarks"]),
                vectors=arrays["vectors"],
                quality=arrays["quality"],
                phash=np.uint64(arrays["phash"]),
                thumb=arrays["thumb"],
            )
    except (BadZipFile, KeyError, EOFError, OSError, TypeError) as error:
        raise ValueError(f"damaged record of photo {sha256}: {error}") from error
