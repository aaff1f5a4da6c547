"""Where photos with boxes come from: Parquet shards, and photos of fictional people."""

from __future__ import annotations

from pathlib import Path

from faceflow_ml.data.parquet import read_detection_shards
from faceflow_ml.data.records import DetectionSample
from faceflow_ml.errors import FaceFlowError


def read_detections(source: Path, split: str, *, limit: int | None = None) -> list[DetectionSample]:
    """Read photos with boxes from a Parquet file, or from a folder's shards of one split.

    Raises:
        FaceFlowError: the source is missing, empty or malformed.
    """
    if not source.exists():
        raise FaceFlowError(f"{source}: no such data")
    samples = read_detection_shards(source, split if source.is_dir() else None)[:limit]
    if not samples:
        raise FaceFlowError(f"{source}: holds no photos")
    return samples
