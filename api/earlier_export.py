"""An export of corrections that was made before: what it has of a face need not be made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.errors import FaceFlowError

MANIFEST = "corrections.json"
FACES, VECTORS, DECISIONS = "faces.jsonl", "vectors.npy", "decisions.jsonl"


@dataclass(frozen=True)
class Crop:
    """An aligned face as WebP; resolution: see docs/retraining.md."""

    webp: bytes
    resolution: float


class EarlierExport:
    """Reads an export.

    Attributes:
        sha256: of its files, by their names.

    Raises:
        FaceFlowError: it is unreadable.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            self.sha256: dict[str, str] = dict(manifest["sha256"])
            with open(folder / FACES, encoding="utf-8") as lines:
                rows = [json.loads(line) for line in lines]
            self._rows: dict[str, dict[str, Any]] = {row["face"]: row for row in rows}
            self._number = {row["face"]: number for number, row in enumerate(rows)}
            self._vectors = np.load(folder / VECTORS, allow_pickle=False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FaceFlowError(f"{folder}: no export of corrections: {error}") from error
        if len(self._vectors) != len(rows):
            raise FaceFlowError(f"{folder}: {len(rows)} faces, {len(self._vectors)} vectors")

    def crop(self, row: Mapping[str, Any]) -> Crop | None:
        """The picture of a face as it is now; None if there is none of it."""
        found = self._rows.get(row["face"])
        # The same place in the same picture, found by the same points.
        if found is None or any(found[name] != row[name] for name in ("content", "eyePx", "crop")):
            return None
        try:
            return Crop((self._folder / found["crop"]).read_bytes(), found["resolution"])
        except OSError:
            return None

    def vector(self, row: Mapping[str, Any]) -> NDArray[np.float32] | None:
        """The vector of a face, (512,); None if there is none of its contract."""
        number = self._number.get(row["face"])
        if number is None or self._rows[row["face"]]["contract"] != row["contract"]:
            return None
        vector = np.asarray(self._vectors[number], np.float32)
        return vector if vector.any() else None
