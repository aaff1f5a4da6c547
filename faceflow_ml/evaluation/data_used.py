"""Names and fingerprints of the data that a measurement was made on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from faceflow_ml.album.schema import Groups
from faceflow_ml.data.fingerprint import fingerprint_files, fingerprint_samples
from faceflow_ml.data.records import DetectionSample, IdentitySample
from faceflow_ml.evaluation.reports import DataUsed


def samples_used(source: Path, samples: Iterable[DetectionSample | IdentitySample]) -> DataUsed:
    """Labelled photos or faces read from ``source``."""
    return DataUsed(source.resolve().name, fingerprint_samples(samples))


def file_used(file: Path) -> DataUsed:
    """A file, or a folder with every file below it."""
    return DataUsed(file.resolve().name, fingerprint_files([file]))


def album_used(album: Path, groups: Groups, truth: Path) -> DataUsed:
    """The photos that were grouped, and their labels."""
    digest = hashlib.sha256(truth.read_bytes())
    for photo in sorted(groups.photos, key=lambda photo: photo.path):
        line = f"{photo.path}\0{photo.sha256}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return DataUsed(album.resolve().name, digest.hexdigest())
