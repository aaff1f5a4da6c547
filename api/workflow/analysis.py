"""What ingestion computes of one photo: pure functions from bytes and pixels to values."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.domain.ingest_rows import Detection
from api.domain.models import Exif, Face, FaceBox, Photo
from api.engine.engine import FoundFaces
from api.ids import derived_id
from api.workflow import pictures
from api.workflow.exif import read_exif
from faceflow_ml.album.render import face_picture, face_square
from faceflow_ml.dedup.hashing import phash64
from faceflow_ml.inference.alignment import align_faces, alignable
from faceflow_ml.inference.images import ImageLimits, load_photo
from faceflow_ml.inference.images import Photo as Decoded

MAX_SIDE = 2560
"""Photos are analysed at this size at most, as `faceflow-ml group` does."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is known of a photo before faces are looked for."""

    width: int
    height: int
    exif: Exif
    thumbnail: bytes
    blur: str
    sharpness: float
    phash: str


@dataclass(frozen=True, eq=False)
class Found:
    """The faces of a photo.

    crops: (n, 112, 112, 3) aligned. pictures: a JPEG of each face with its surroundings.
    """

    detection: Detection
    crops: NDArray[np.uint8]
    pictures: tuple[bytes, ...]


def decode(data: bytes, max_bytes: int) -> Decoded:
    """The photo's pixels.

    Raises:
        ImageError: it cannot be read; says why.
    """
    return load_photo(data, limits=ImageLimits(max_bytes=max_bytes), max_side=MAX_SIDE)


def prepare(data: bytes, decoded: Decoded) -> Prepared:
    """Metadata, thumbnail and hashes of a photo."""
    small = pictures.thumbnail(decoded.pixels)
    return Prepared(
        width=decoded.width,
        height=decoded.height,
        exif=read_exif(data, decoded.format),
        thumbnail=pictures.thumbnail_jpeg(small),
        blur=pictures.blur_url(small),
        sharpness=pictures.sharpness(small),
        phash=f"{int(phash64(decoded.pixels)):016x}",
    )


def detect(photo: Photo, decoded: Decoded, found: FoundFaces) -> Found:
    """The faces of a photo, in the pixels of its full size.

    found: the same in the pixels that were decoded.
    """
    scale = decoded.width / decoded.pixels.shape[1]
    detection = Detection(
        album_id=photo.album_id,
        photo_id=photo.id,
        boxes=tuple(_four(box) for box in (found.boxes * scale).round(2)),
        scores=tuple(round(float(score), 4) for score in found.scores),
        landmarks=tuple(
            tuple((float(x), float(y)) for x, y in face) for face in found.landmarks * scale
        ),
        quality=tuple(round(float(value), 6) for value in found.quality),
    )
    return Found(
        detection=detection,
        crops=found.crops,
        pictures=tuple(
            pictures.crop_jpeg(face_picture(decoded.pixels, box)) for box in found.boxes
        ),
    )


def align(decoded: Decoded, detection: Detection) -> NDArray[np.uint8]:
    """The aligned faces (n, 112, 112, 3) of detections that were kept."""
    scale = decoded.pixels.shape[1] / decoded.width
    landmarks = np.array(detection.landmarks, dtype=np.float32).reshape(-1, 5, 2) * scale
    return align_faces(decoded.pixels, landmarks)


def align_picture(picture: NDArray[np.uint8], photo: Photo, face: Face) -> NDArray[np.uint8] | None:
    """The aligned face (112, 112, 3) of the picture that is kept of it; None if it cannot be.

    picture: what `detect` made of the face, RGB.
    """
    if photo.width is None or photo.height is None:
        return None
    # As when it was cut: the photo was looked at in a size of its own.
    scale = min(1.0, MAX_SIDE / max(photo.width, photo.height))
    width, height = round(photo.width * scale), round(photo.height * scale)
    left, top, side = face_square(width, height, np.array(face.box, dtype=np.float32) * scale)
    points = np.array(face.landmarks, dtype=np.float32) * scale - (left, top)
    points = (points * (picture.shape[1] / side))[None].astype(np.float32)
    return align_faces(picture, points)[0] if alignable(points)[0] else None


def face_ids(sha256: str, detection: Detection) -> list[str]:
    """Ids of faces: the same for the same place in the same content, on every run."""
    ids: list[str] = []
    for box in detection.boxes:
        corners = ",".join(str(round(value)) for value in box)
        again = 0
        while (found := derived_id("face", detection.album_id, sha256, corners, str(again))) in ids:
            again += 1
        ids.append(found)
    return ids


def face_records(
    photo: Photo, detection: Detection, trust: NDArray[np.float32], contract_id: str
) -> list[Face]:
    """The rows of a photo's faces.

    trust: (n,) factors of quality, as the embedder has it.
    """
    if photo.sha256 is None:
        raise ValueError("expected a photo with a hash")
    return [
        Face(
            id=face_id,
            album_id=photo.album_id,
            user_id=photo.user_id,
            photo_id=photo.id,
            created_at=photo.created_at,
            box=detection.boxes[row],
            score=detection.scores[row],
            landmarks=tuple((round(x, 2), round(y, 2)) for x, y in detection.landmarks[row]),
            quality=round(detection.quality[row] * float(trust[row]), 6),
            row=row,
            contract_id=contract_id,
        )
        for row, face_id in enumerate(face_ids(photo.sha256, detection))
    ]


def face_boxes(faces: list[Face]) -> tuple[FaceBox, ...]:
    """Faces as their photo knows them."""
    return tuple(FaceBox(id=face.id, box=face.box, score=face.score) for face in faces)


def to_npy(vectors: NDArray[np.float32]) -> bytes:
    """An array as the content of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    return buffer.getvalue()


def _four(box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(value), 2) for value in box)
    return x1, y1, x2, y2
