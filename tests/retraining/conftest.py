"""Exports of corrections about fictional people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from faceflow_ml import FaceEmbedder
from faceflow_ml.data.synth.faces import aligned_faces

PEOPLE, FACES = 12, 6


@pytest.fixture(scope="session")
def embedder() -> FaceEmbedder:
    return FaceEmbedder.from_pretrained(threads=1)


@dataclass(frozen=True, eq=False)
class Cast:
    """Rendered faces: (n, 112, 112, 3) crops, (n, 512) vectors, (n,) people."""

    crops: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    people: NDArray[np.int64]


@pytest.fixture(scope="session")
def cast(embedder: FaceEmbedder) -> Cast:
    crops, people = zip(*aligned_faces(PEOPLE, FACES, seed=5), strict=True)
    stacked = np.stack(crops)
    return Cast(stacked, embedder.embed(stacked), np.array(people))


@dataclass
class Export:
    """Collects faces and statements, and writes them as the application does."""

    cast: Cast
    contract: str
    users: dict[str, bool] = field(default_factory=lambda: {"u1": True})
    faces: list[dict[str, Any]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)

    def face(self, row: int, person: str | None, user: str = "u1", **changes: Any) -> str:
        """Add the cast's face ``row`` as ``person``'s; returns its id."""
        name = changes.pop("face", f"{user}-f{row:03d}")
        album = changes.pop("album", f"{user}-album")
        values = {
            "user": user,
            "consent": self.users.get(user, True),
            "face": name,
            "album": album,
            "photo": f"{user}-p{row:03d}",
            "content": f"{row:016d}",
            "person": person,
            "confirmed": False,
            "confidence": 0.5,
            "contract": self.contract,
            "score": 0.9,
            "quality": 0.8,
            "eyePx": 40.0,
            "resolution": 1.0,
            "crop": f"crops/{album}/{name}.webp",
        }
        self.faces.append(values | changes)
        self.rows.append(row)
        return name

    def person(
        self, number: int, person: str | None, user: str = "u1", **changes: Any
    ) -> list[str]:
        """Add every face of one of the cast."""
        rows = np.flatnonzero(self.cast.people == number)
        return [self.face(int(row), person, user, **changes) for row in rows]

    def say(
        self,
        kind: str,
        relation: str,
        first: Sequence[str],
        second: Sequence[str] = (),
        user: str = "u1",
        album: str | None = "",
    ) -> str:
        """Add a statement; returns its decision's id."""
        decision = f"d{len(self.said):04d}"
        self.said.append(
            {
                "user": user,
                "decision": decision,
                "album": f"{user}-album" if album == "" else album,
                "at": "2026-01-01T00:00:00Z",
                "kind": kind,
                "relation": relation,
                "first": list(first),
                "second": list(second),
            }
        )
        return decision

    def write(self, folder: Path) -> Path:
        """Write the export."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in (("faces.jsonl", self.faces), ("decisions.jsonl", self.said)):
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in values))
        np.save(folder / "vectors.npy", self.cast.vectors[self.rows].reshape(-1, 512))
        for values, row in zip(self.faces, self.rows, strict=True):
            file = folder / values["crop"]
            file.parent.mkdir(parents=True, exist_ok=True)
            bgr = cv2.cvtColor(self.cast.crops[row], cv2.COLOR_RGB2BGR)
            file.write_bytes(cv2.imencode(".webp", bgr)[1].tobytes())
        manifest = {
            "format": "faceflow-corrections",
            "version": 1,
            "createdAt": "2026-01-01T00:00:00Z",
            "users": sorted(user for user, yes in self.users.items() if yes),
            "sha256": {
                name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
                for name in ("faces.jsonl", "vectors.npy", "decisions.jsonl")
            },
        }
        (folder / "corrections.json").write_text(json.dumps(manifest))
        return folder


@pytest.fixture
def export(cast: Cast, embedder: FaceEmbedder) -> Export:
    return Export(cast, embedder.contract_id)
