"""What people do in a large album, for Locust: visitors who look around, and one who uploads.

Run by `tests.load.bench`, which says where by ``FACEFLOW_LOAD_*``.
"""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, task

_ALBUM = os.environ["FACEFLOW_LOAD_ALBUM"]
_HEADERS = {"Authorization": f"Bearer {os.environ['FACEFLOW_LOAD_TOKEN']}"}
_FILES = sorted(Path(os.environ["FACEFLOW_LOAD_PHOTOS"]).glob("*.jpg"))
_BASE = f"/albums/{_ALBUM}"
_PAGE = 200
_PICTURES = 8
"""Pictures of a page that a visitor's browser does not have yet."""


class Visitor(FastHttpUser):
    """Looks at photos and people, some seconds at each."""

    wait_time = between(4, 12)

    def on_start(self) -> None:
        self.cursor: str | None = None
        self.photos: list[dict[str, Any]] = []
        self.people: list[dict[str, Any]] = []
        self.open_album()

    def open_album(self) -> None:
        self._get("", "album")
        self._get("/status", "status")
        self.scroll()

    @task(6)
    def scroll(self) -> None:
        """The next part of the photos."""
        after = f"&cursor={self.cursor}" if self.cursor else ""
        page = self._get(f"/photos?limit={_PAGE}{after}", "photos")
        if page is None:
            return
        self.cursor = page["cursor"]
        self.photos = page["photos"]
        # Only some photos of a seeded album have a picture.
        self._pictures([photo["thumbUrl"] for photo in self.photos] if not after else [])

    @task(3)
    def look_at_people(self) -> None:
        page = self._get("/clusters?limit=500&faces=0", "people")
        if page is not None:
            self.people = page["clusters"]
            self._pictures([person["coverUrl"] for person in self.people])

    @task(3)
    def look_at_a_person(self) -> None:
        if not self.people:
            self.look_at_people()
        if not self.people:
            return
        person = random.choice(self.people)["id"]
        self._get(f"/clusters/{person}", "person")
        self._get(f"/clusters/{person}/faces?limit=100", "faces")
        self._get(f"/photos?limit={_PAGE}&cluster={person}", "photos of a person")

    @task(2)
    def look_at_a_photo(self) -> None:
        if self.photos:
            photo = random.choice(self.photos)["id"]
            self.client.get(f"/photos/{photo}", name="photo", headers=_HEADERS)

    @task(1)
    def look_at_the_status(self) -> None:
        self._get("/status", "status")

    @task(1)
    def begin_to_type_a_name(self) -> None:
        self._get("/labels?prefix=per", "names")

    def _get(self, path: str, name: str) -> dict[str, Any] | None:
        answer = self.client.get(_BASE + path, name=name, headers=_HEADERS)
        return answer.json() if answer.ok else None

    def _pictures(self, urls: list[str]) -> None:
        for url in random.sample(urls, min(_PICTURES, len(urls))):
            self.client.get(url, name="picture")


class Uploader(FastHttpUser):
    """Adds photos to the album, a few at a time."""

    fixed_count = 1
    wait_time = between(1, 3)

    def on_start(self) -> None:
        self.sent = 0

    @task
    def upload(self) -> None:
        file = _FILES[self.sent % len(_FILES)]
        # Other bytes each time: what the album has already would be skipped.
        data = file.read_bytes() + secrets.token_bytes(16)
        body = {"filename": file.name, "contentType": "image/jpeg", "size": len(data)}
        answer = self.client.post(f"{_BASE}/uploadUrl", json=body, name="upload", headers=_HEADERS)
        if not answer.ok:
            return
        target = answer.json()
        self.client.request(
            "PUT", target["url"], data=data, headers=target["headers"], name="upload bytes"
        )
        self.sent += 1
        if self.sent % 5 == 0:
            self.client.post(f"{_BASE}/process", name="process", headers=_HEADERS)
