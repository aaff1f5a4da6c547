"""Content fingerprints: two data sets have one fingerprint if they hold the same things."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from faceflow_ml.data.records import DetectionSample, IdentitySample
from faceflow_ml.errors import FaceFlowError

_CHUNK = 1 << 20


def fingerprint_files(files: Iterable[str | PathLike[str]]) -> str:
    """SHA-256 (64 hex digits) over the name, size and content hash of every file.

    A folder stands for every file below it. Order and place do not matter, names inside the given
    folder, and contents, do.

    Raises:
        FaceFlowError: a file is missing or cannot be read.
    """
    entries: list[tuple[str, int, str]] = []
    for item in map(Path, files):
        if item.is_dir():
            below = sorted(p for p in item.rglob("*") if p.is_file())
            entries += [_file_entry(p, p.relative_to(item).as_posix()) for p in below]
        else:
            entries.append(_file_entry(item, item.name))
    return _digest(entries)


def fingerprint_samples(samples: Iterable[DetectionSample | IdentitySample]) -> str:
    """SHA-256 (64 hex digits) over the images and labels of ``samples``, whatever their order.

    Raises:
        FaceFlowError: an image file cannot be read.
    """
    return _digest([sample_entry(sample) for sample in samples])


def sample_entry(sample: DetectionSample | IdentitySample) -> tuple[str, int, str]:
    """The name, image size in bytes, and the hash of image and labels of one sample."""
    size, image_hash = image_digest(sample)
    digest = hashlib.sha256(image_hash.encode())
    if isinstance(sample, IdentitySample):
        digest.update(f"{sample.source}\0{sample.identity}".encode())
    else:
        digest.update(f"{sample.width}x{sample.height}".encode())
        for array in (sample.boxes, sample.landmarks, sample.ignore):
            digest.update(array.tobytes())
    return sample.name, size, digest.hexdigest()


def image_digest(sample: DetectionSample | IdentitySample) -> tuple[int, str]:
    """Size in bytes and SHA-256 of the encoded image.

    Raises:
        FaceFlowError: the image file cannot be read.
    """
    if isinstance(sample.image, bytes):
        return len(sample.image), hashlib.sha256(sample.image).hexdigest()
    _, size, image_hash = _file_entry(sample.image, sample.name)
    return size, image_hash


def _file_entry(path: Path, name: str) -> tuple[str, int, str]:
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise FaceFlowError(f"{path}: cannot be read: {error}") from error
    return name, size, digest.hexdigest()


def _digest(entries: list[tuple[str, int, str]]) -> str:
    total = hashlib.sha256()
    for name, size, content in sorted(entries):
        total.update(f"{name}\0{size}\0{content}\n".encode())
    return total.hexdigest()
