"""Where aligned faces come from: Parquet shards, a folder per person, fictional people."""

from __future__ import annotations

from pathlib import Path

from faceflow_ml.data.folders import read_identity_folders
from faceflow_ml.data.label_cleaning import apply_labels
from faceflow_ml.data.parquet import read_identity_shards, shard_files
from faceflow_ml.data.records import IdentitySample
from faceflow_ml.data.synthetic_shards import synthetic_identity_shard
from faceflow_ml.errors import FaceFlowError


def read_identities(
    source: Path | None,
    split: str,
    *,
    limit: int | None = None,
    labels: Path | None = None,
    strangers: Path | None = None,
    synthetic_people: int = 0,
    synthetic_faces: int = 8,
    seed: int = 0,
    cache: Path = Path(".cache/faceflow"),
) -> list[IdentitySample]:
    """Read aligned faces, and add those of fictional people.

    Args:
        source: a Parquet file or folder of shards, or a folder with a folder per person; None for
            fictional people only.
        split: the split to take from a folder of shards.
        limit: take only the first samples of ``source``.
        labels: better labels of ``source``, as `faceflow-ml data clean` writes them.
        strangers: faces of other people to add, as `faceflow-ml data strangers` writes them.
        synthetic_people: fictional people to add.
        synthetic_faces: faces of each of them.
        seed: of the fictional people.
        cache: where their rendered faces are kept.

    Raises:
        FaceFlowError: the source, the labels or the strangers are missing, empty or malformed.
    """
    samples = [] if source is None else _read(source, split)[:limit]
    if labels is not None:
        samples = apply_labels(samples, labels)
    if strangers is not None:
        samples += read_identity_shards(strangers)
    if synthetic_people:
        shard = synthetic_identity_shard(synthetic_people, synthetic_faces, seed, cache)
        samples += read_identity_shards(shard)
    return samples


def _read(source: Path, split: str) -> list[IdentitySample]:
    if not source.exists():
        raise FaceFlowError(f"{source}: no such data")
    if source.is_file() or any(source.glob("*.parquet")):
        return read_identity_shards(shard_files(source, split if source.is_dir() else None))
    return read_identity_folders(source)
