"""Where corrections lie for the pipeline: a folder, or a prefix in S3.

``export/`` is the export (see `exchange`), put there by the application: on AWS by itself, every
night and when somebody withdraws consent, as an archive a user (see `sources`). ``leave-out.txt``
lists users to pass over, a pseudonym a line: those who were erased since. ``trained/`` is the
pipeline's own: which corrections a model has learned from, so that the next gate counts what is
new.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.errors import FaceFlowError
from pipelines.retraining.exchange import read_summary

EXPORT, LEAVE_OUT, TRAINED = "export", "leave-out.txt", "trained"


@dataclass(frozen=True)
class Place:
    """The folder's parts.

    trained: summary of the last training set, see `gate`; None before the first.
    fingerprint: SHA-256 of what is learned from: the export, without those to leave out.
    """

    export: Path
    leave_out: frozenset[str]
    trained: Path | None
    fingerprint: str


def read_place(folder: Path) -> Place:
    """Look into the folder.

    Raises:
        FaceFlowError: there is no export in it.
    """
    export, trained = folder / EXPORT, folder / TRAINED
    left_out = read_users(folder / LEAVE_OUT) if (folder / LEAVE_OUT).exists() else frozenset()
    content = [read_summary(export).sha256, sorted(left_out)]
    return Place(
        export=export,
        leave_out=left_out,
        trained=trained if trained.is_dir() else None,
        fingerprint=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
    )


def read_users(file: Path) -> frozenset[str]:
    """Pseudonyms of users, a line each; FaceFlowError if the file cannot be read."""
    try:
        return frozenset(file.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise FaceFlowError(f"{file}: cannot be read: {error}") from error
