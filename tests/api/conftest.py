"""The application on real homes: SQLite, files, signed URLs; in a folder of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from api.engine.engine import FoundFaces
from api.home import open_services
from api.main import create_app
from api.repositories.sqlite_table import SqliteTable
from api.services import Services
from api.settings import Settings
from faceflow_ml.inference.alignment import align_faces

_NOSE = np.s_[68:76, 52:60]
"""Where the middle of the photo lies in an aligned crop."""


class CardEngine:
    """A fast engine for tests that are not about faces: it finds one face in every photo, and a
    person is the colour of the photo's middle."""

    contract_id = "test-cards"
    threshold = 0.5
    confidence = None

    def detect(self, image: NDArray[np.uint8]) -> FoundFaces:
        """The middle of the photo."""
        height, width = image.shape[:2]
        box = np.array([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]], np.float32)
        points = np.array([(0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.4, 0.6), (0.6, 0.6)], np.float32)
        landmarks = (points * (width, height))[None].astype(np.float32)
        return FoundFaces(
            boxes=box,
            scores=np.array([0.9], np.float32),
            landmarks=landmarks,
            quality=np.array([0.9], np.float32),
            crops=align_faces(image, landmarks),
        )

    def embed(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same vector for colours that are almost the same."""
        vectors = np.empty((len(crops), 512), np.float32)
        for vector, crop in zip(vectors, crops, strict=True):
            # JPEG moves colours a little.
            card = (crop[_NOSE].mean(axis=(0, 1)) / 32).round().astype(np.uint8).tobytes()
            seed = int.from_bytes(hashlib.sha256(card).digest()[:8], "big")
            vector[:] = np.random.default_rng(seed).normal(size=512)
            vector /= np.linalg.norm(vector)
        return vectors, np.ones(len(crops), np.float32)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything under a folder of its own; no web client."""
    return Settings(data=tmp_path / "data", web=tmp_path / "no-web")


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """Real homes, with `CardEngine`."""
    opened = open_services(settings, CardEngine())
    yield opened
    assert isinstance(opened.table, SqliteTable)
    opened.table.close()


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    """The application with its worker, asked by nobody."""
    with TestClient(create_app(services=services)) as running:
        yield running


@pytest.fixture
def sign_in(client: TestClient) -> Callable[[str], dict[str, str]]:
    """Headers of a user of that name."""

    def headers(user: str) -> dict[str, str]:
        answer = client.post("/auth/dev-token", json={"user": user})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    return headers


@pytest.fixture
def alice(sign_in: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """Headers of a user."""
    return sign_in("alice")
