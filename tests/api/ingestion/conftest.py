"""Photos to upload, and the way of a client through upload and processing."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

Headers = dict[str, str]


def photo_bytes(
    seed: int, size: tuple[int, int] = (320, 240), color: int = 0, **options: Any
) -> bytes:
    """A photo with structure of its own; for `CardEngine`, ``color`` says who is in it."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 8, 3), np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    width, height = size
    card = Image.new("RGB", (width // 8, height // 8), (color % 256, 128, 255 - color % 256))
    image.paste(card, (width // 2 - width // 16, height // 2 - height // 16))
    buffer = io.BytesIO()
    image.save(buffer, options.pop("format", "JPEG"), **options)
    return buffer.getvalue()


def local_path(url: str) -> str:
    """Path and query of a URL of the application."""
    return "/" + url.split("://", 1)[1].split("/", 1)[1]


@dataclass(frozen=True)
class AlbumClient:
    """An album of a user, through the API."""

    http: TestClient
    headers: Headers
    id: str

    def get(self, path: str, **params: Any) -> Any:
        answer = self.http.get(f"/albums/{self.id}{path}", headers=self.headers, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any] | None = None, expect: int = 200) -> Any:
        answer = self.http.post(
            f"/albums/{self.id}{path}", headers=self.headers, json=body if body else {}
        )
        assert answer.status_code == expect, answer.text
        return answer.json()

    def announce(self, name: str, data: bytes, **more: Any) -> Any:
        body = {"filename": name, "contentType": "image/jpeg", "size": len(data), **more}
        return self.post("/uploadUrl", body)

    def upload(self, name: str, data: bytes, *, sha256: bool | str = True, **more: Any) -> str:
        if sha256:
            more["sha256"] = hashlib.sha256(data).hexdigest() if sha256 is True else sha256
        target = self.announce(name, data, **more)
        answer = self.http.request(
            target["method"], local_path(target["url"]), content=data, headers=target["headers"]
        )
        assert answer.status_code == 200, answer.text
        return str(target["photoId"])

    def process(self, timeout: float = 60.0) -> Any:
        """Process, wait for the end, and return the status."""
        self.post("/process")
        return self.wait(timeout)

    def wait(self, timeout: float = 60.0) -> Any:
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            status = self.get("/status")
            if status["state"] != "processing":
                return status
            time.sleep(0.02)
        raise AssertionError(f"not done in {timeout} s: {status}")

    def photos(self, **params: Any) -> dict[str, Any]:
        """Every photo by its file name."""
        found: dict[str, Any] = {}
        while True:
            page = self.get("/photos", **params)
            found |= {photo["filename"]: photo for photo in page["photos"]}
            if page["cursor"] is None:
                return found
            params["cursor"] = page["cursor"]


@pytest.fixture
def make_album(client: TestClient, alice: Headers) -> Callable[..., AlbumClient]:
    """Makes albums of alice."""

    def make(**options: Any) -> AlbumClient:
        answer = client.post("/albums", headers=alice, json={"name": "Summer", **options})
        assert answer.status_code == 201, answer.text
        return AlbumClient(client, alice, answer.json()["id"])

    return make


@pytest.fixture
def album(make_album: Callable[..., AlbumClient]) -> AlbumClient:
    """An empty album of alice."""
    return make_album()
