"""Where aligned faces come from: Parquet shards, a folder per person, fictional people."""

from __future__ import annotations

from pathlib import Path

from faceflow_ml.data.parquet import read_identity_shards, shard_files
from faceflow_ml.data.records import IdentitySample
from faceflow_ml.errors import FaceFlowError


def read_identities(
    source: Path,
    split: str,
    *,
    limit: int | None = None,
    synthetic_people: int = 0,
    synthetic_faces: int = 8,
    seed: int = 0,
) -> list[IdentitySample]:
    """Read aligned faces, and add those of fictional people.

    Args:
        source: a Parquet file or folder of shards, or a folder with a folder per person.
        split: the split to take from a folder of shards.
        limit: take only the first samples of ``source``.
        synthetic_people: fictional people to add.
        synthetic_faces: faces of each of them.
        seed: of the fictional people.

    Raises:
        FaceFlowError: the source is missing, empty or malformed.
    """
    if not source.exists():
        raise FaceFlowError(f"{source}: no such data")
    if source.is_file() or any(source.glob("*.parquet")):
        samples = read_identity_shards(shard_files(source, split if source.is_dir() else None))
    else:
        from faceflow_ml.data.folders import read_identity_folders

        samples = read_identity_folders(source)
    samples = samples[:limit]
    if synthetic_people:
        from faceflow_ml.data.synth.training import synthetic_identities

        samples += synthetic_identities(synthetic_people, synthetic_faces, seed)
    return samples
