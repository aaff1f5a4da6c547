"""An album from its upload to its end, over the routes: the same on every home."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.jwt_tokens import load_tokens
from api.main import create_app
from api.objects.signer import SignedUrl
from api.services import Services
from api.settings import Settings
from tests.api.conftest import CardEngine
from tests.api.contract.conftest import Home
from tests.api.ingestion.conftest import photo_bytes

PATIENCE = 300.0


class Person:
    """A user of the application; asserts that everything goes well."""

    def __init__(self, client: TestClient, home: Home, token: str) -> None:
        self.client = client
        self.home = home
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        answer = self.client.request(method, path, headers=self.headers, json=body)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    def upload(self, album: str, name: str, data: bytes) -> None:
        """In one piece."""
        body = {
            "filename": name,
            "contentType": "image/jpeg",
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        target = self.ask("POST", f"/albums/{album}/uploadUrl", body)
        self.send(target, data)
        self.ask("POST", f"/albums/{album}/photos/{target['photoId']}/complete")

    def upload_in_parts(self, album: str, name: str, data: bytes) -> None:
        """In parts."""
        body = {"filename": name, "contentType": "image/jpeg", "size": len(data)}
        upload = self.ask("POST", f"/albums/{album}/uploads", body, 201)["uploadId"]
        path = f"/albums/{album}/uploads/{upload}"
        signed = self.ask("POST", f"{path}/parts", {"numbers": [1, 2]})["parts"]
        start = 0
        for part in signed:
            self.send(part, data[start : start + part["size"]])
            start += part["size"]
        self.ask("POST", f"{path}/complete")

    def send(self, target: dict[str, Any], data: bytes) -> None:
        signed = SignedUrl(target["url"], target["method"], "", target["headers"])
        answer = self.home.use(signed, data)
        assert answer.status_code == 200, answer.text

    def fetch(self, url: str) -> bytes:
        answer = self.home.use(SignedUrl(url, "GET", ""))
        assert answer.status_code == 200, answer.text
        return answer.content

    def wait(self, album: str) -> dict[str, Any]:
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            status: dict[str, Any] = self.ask("GET", f"/albums/{album}/status")
            if status["state"] != "processing":
                assert status["state"] == "done", status
                return status
            time.sleep(0.1)
        raise AssertionError("not done in time")

    def erased(self) -> dict[str, Any]:
        """Erase the account; the receipt once all is gone."""
        receipt = self.client.delete("/me", headers=self.headers).json()
        limit = time.monotonic() + PATIENCE
        while receipt["state"] != "done":
            assert time.monotonic() < limit, receipt
            time.sleep(0.1)
            receipt = self.client.get(f"/receipts/{receipt['id']}").json()
        return dict(receipt)


@pytest.fixture
def services(home: Home, tmp_path: Path) -> Services:
    """The home's, with an engine that takes no time, and tokens for whom we like."""
    tokens = load_tokens(Settings(data=tmp_path / "issuer"))
    return replace(home.services, engine=CardEngine(), tokens=tokens)


@pytest.fixture
def alice(home: Home, services: Services) -> Iterator[Person]:
    """A user, while the worker runs."""
    with TestClient(create_app(services=services)) as client:
        yield Person(client, home, services.tokens.issue("alice"))


def test_an_album_from_upload_to_erasing(alice: Person, services: Services) -> None:
    album = alice.ask("POST", "/albums", {"name": "Summer"}, 201)["id"]
    photos = [photo_bytes(n, color=90 * (n % 3)) for n in range(6)]
    for n, data in enumerate(photos):
        alice.upload(album, f"{n}.jpg", data)
    # Past the end of its JPEG a photo may have anything.
    large = photo_bytes(7, color=180)
    alice.upload_in_parts(album, "large.jpg", large + b"\0" * (9 * 2**20 - len(large)))
    alice.ask("POST", f"/albums/{album}/process")
    counts = alice.wait(album)["counts"]
    assert (counts["photos"], counts["faces"], counts["failed"]) == (7, 7, 0)

    clusters = alice.ask("GET", f"/albums/{album}/clusters")["clusters"]
    assert Counter(one["size"] for one in clusters) == {2: 2, 3: 1}
    first, second, third = (one["id"] for one in clusters)
    assert alice.fetch(clusters[0]["coverUrl"])[:2] == b"\xff\xd8"
    path = f"/albums/{album}/clusters"
    alice.ask("POST", f"{path}/{first}/label", {"name": "Zoë"})
    alice.ask("POST", f"{path}/merge", {"clusters": [first, second]})
    decision = alice.ask("GET", f"/albums/{album}/decisions")["decisions"][0]
    alice.ask("POST", f"/albums/{album}/decisions/{decision['id']}/undo")
    after = alice.ask("GET", f"/albums/{album}/clusters")["clusters"]
    assert {one["id"]: one["size"] for one in after} == {one["id"]: one["size"] for one in clusters}
    assert [one["label"] for one in after if one["id"] == first] == ["Zoë"]
    listed = alice.ask("GET", f"/albums/{album}/photos")["photos"]
    assert listed == [alice.ask("GET", f"/photos/{photo['id']}") for photo in listed]
    assert Counter(face["cluster"] for photo in listed for face in photo["faces"]) == {
        one["id"]: one["size"] for one in clusters
    }

    body = {"recipients": [{"email": "bob@example.com", "clusters": [third]}]}
    share = alice.ask("POST", f"/albums/{album}/share", body, 201)["shares"][0]["id"]
    shown = alice.client.get(f"/shares/{share}")
    assert shown.status_code == 200, shown.text
    keyed = alice.headers | {"Idempotency-Key": "01"}
    repeats = [
        alice.client.post(f"/albums/{album}/share", json=body, headers=keyed) for _ in range(2)
    ]
    first_made, second_made = (answer.json()["shares"][0]["id"] for answer in repeats)
    assert share != first_made == second_made
    (person,) = shown.json()["people"]
    assert alice.client.get(person["coverUrl"]).content[:2] == b"\xff\xd8"
    body["filters"] = {"takenFrom": "1990-01-01", "takenTo": "1990-01-02"}
    empty = alice.ask("POST", f"/albums/{album}/share", body, 201)["shares"][0]["id"]
    page = alice.client.get(f"/shares/{empty}").json()
    assert (page["count"], page["people"]) == (0, [])

    receipt = alice.erased()
    assert receipt["genuine"]
    assert receipt["erased"]["photos"] == 7
    assert list(services.objects.list_objects("tenant/")) == []
    assert list(services.table.sort_keys(f"ALBUM#{album}")) == []
    assert alice.client.get(f"/shares/{share}").status_code == 404
