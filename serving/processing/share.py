"""Which photos of a job are this machine's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from faceflow_ml.errors import ConfigError
from serving.sagemaker import Host, base_dir, read_json

_OPT_ML = PurePosixPath("/opt/ml")


def share(keys: Sequence[str], folder: Path, host: Host, config: Path) -> list[str]:
    """The keys under ``folder`` that this host is to process.

    Inputs that SageMaker distributed by S3 key are all ours, since it gave each machine others.
    What it gave to every machine (``FullyReplicated``, its default) is divided by a hash of the
    key, the same on all machines and in all runs.

    config: a ``processingjobconfig.json``, which says how inputs were distributed; may be missing.

    Raises:
        ConfigError: it is not what SageMaker writes.
    """
    if len(host.hosts) == 1:
        return list(keys)
    sharded = _sharded_folders(config)
    return [
        key
        for key in keys
        if _within(folder / key, sharded) or _bucket(key, len(host.hosts)) == host.rank
    ]


def _bucket(key: str, count: int) -> int:
    # Names on a disk need not be valid Unicode.
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % count


def _sharded_folders(config: Path) -> list[Path]:
    document = read_json(config) or {}
    try:
        inputs: list[dict[str, Any]] = document.get("ProcessingInputs") or []
        s3 = [given["S3Input"] for given in inputs if given.get("S3Input")]
        return [
            _here(given["LocalPath"])
            for given in s3
            if given.get("S3DataDistributionType") == "ShardedByS3Key"
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f"{config}: expected ProcessingInputs with S3Input.LocalPath") from error


def _here(local_path: str) -> Path:
    path = PurePosixPath(local_path)
    inside = path.is_relative_to(_OPT_ML)
    return base_dir() / path.relative_to(_OPT_ML) if inside else Path(path)


def _within(file: Path, folders: Sequence[Path]) -> bool:
    return any(file.absolute().is_relative_to(folder.absolute()) for folder in folders)
