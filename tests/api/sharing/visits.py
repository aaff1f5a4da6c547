"""What owners and recipients do over HTTP, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable

from booth import Booth
from fastapi.testclient import TestClient

Headers = dict[str, str]


def make(client: TestClient, booth: Booth, who: Headers, **body: object) -> dict:
    recipient = {"email": "bob@example.com", "clusters": [booth.cluster(0)]}
    answer = client.post(
        f"/albums/{booth.album.id}/share",
        json={"recipients": [recipient], **body},
        headers=who,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["shares"][0]


def opened(client: TestClient, share: dict) -> dict:
    answer = client.get(f"/shares/{share['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def photo_ids(page: dict) -> list[str]:
    return [photo["id"] for photo in page["photos"]]


def wait_for(check: Callable[[], bool], seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < limit, "nothing happened"
        time.sleep(0.02)


def download(client: TestClient, share: dict) -> bytes:
    assert client.post(f"/shares/{share['id']}/archive").status_code == 202
    url = f"/shares/{share['id']}/archive"
    wait_for(lambda: client.get(url).status_code == 200)
    return client.get(url).content
