"""People who upload, for Locust: each asks for the addresses of a batch of photos, sends the bytes
there, and completes them, in an album of their own.

Run by `tests.load.uploads`, which says where by ``FACEFLOW_LOAD_*``.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant, task

ASK, SEND, COMPLETE = "ask for an address", "send the bytes", "complete"

_TOKENS = iter(json.loads(os.environ["FACEFLOW_LOAD_TOKENS"]))
_PHOTO = Path(os.environ["FACEFLOW_LOAD_PHOTO"]).read_bytes()
_BATCH = int(os.environ["FACEFLOW_LOAD_BATCH"])


class Uploader(FastHttpUser):
    """Uploads one batch after the other, without a pause."""

    wait_time = constant(0)

    def on_start(self) -> None:
        self.headers = {"Authorization": f"Bearer {next(_TOKENS)}"}
        made = self.client.post(
            "/albums", json={"name": "Load"}, headers=self.headers, name="make an album"
        )
        self.album = f"/albums/{made.json()['id']}"

    @task
    def upload(self) -> None:
        """A batch. A photo that fails at a step is not gone on with."""
        photos = [_PHOTO + secrets.token_bytes(16) for _ in range(_BATCH)]
        targets = [self._ask(photo) for photo in photos]
        sent = [
            target
            for photo, target in zip(photos, targets, strict=True)
            if target is not None and self._send(photo, target)
        ]
        for target in sent:
            self._complete(target["photoId"])

    def _ask(self, photo: bytes) -> dict[str, Any] | None:
        body = {"filename": "photo.jpg", "contentType": "image/jpeg", "size": len(photo)}
        answer = self.client.post(
            f"{self.album}/uploadUrl", json=body, headers=self.headers, name=ASK
        )
        return answer.json() if answer.ok else None

    def _send(self, photo: bytes, target: dict[str, Any]) -> bool:
        answer = self.client.request(
            target["method"], target["url"], data=photo, headers=target["headers"], name=SEND
        )
        return bool(answer.ok)

    def _complete(self, photo_id: str) -> None:
        path = f"{self.album}/photos/{photo_id}/complete"
        with self.client.post(
            path, headers=self.headers, name=COMPLETE, catch_response=True
        ) as answer:
            if answer.ok and answer.json()["status"] != "pending":
                answer.failure(f"the photo is {answer.json()}")
