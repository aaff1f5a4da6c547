"""Every route over the adapters of AWS as another user: tests/api/server does the same, and as
nobody, on one machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.domain.models import Job, JobKind
from api.ids import new_id, now
from api.jwt_tokens import load_tokens
from api.main import create_app
from api.objects.signer import SignedUrl
from api.services import Services
from api.settings import Settings
from tests.api.conftest import CardEngine
from tests.api.contract.conftest import Home, aws_home
from tests.api.ingestion.conftest import photo_bytes
from tests.api.server.test_access import OWN, PUBLIC, _operations, _url

Headers = dict[str, str]


@pytest.fixture
def services(aws_services: Services, tmp_path: Path) -> Services:
    """The ports on AWS, with tokens for whom we like."""
    tokens = load_tokens(Settings(data=tmp_path / "issuer"))
    return replace(aws_services, engine=CardEngine(), tokens=tokens)


@pytest.fixture
def client(services: Services) -> TestClient:
    """The application without its worker: nothing changes by itself."""
    return TestClient(create_app(services=services))


def headers_of(services: Services, user: str) -> Headers:
    return {"Authorization": f"Bearer {services.tokens.issue(user)}"}


@pytest.fixture
def owned(client: TestClient, services: Services) -> dict[str, str]:
    """Ids of what alice has, by the names of path parameters."""
    alice = headers_of(services, "alice")

    def ask(path: str, body: Any) -> Any:
        answer = client.post(path, json=body, headers=alice)
        assert answer.status_code < 300, answer.text
        return answer.json()

    album = ask("/albums", {"name": "Alice's"})["id"]
    data = photo_bytes(1)
    upload = {"filename": "a.jpg", "contentType": "image/jpeg", "size": len(data)}
    target = ask(f"/albums/{album}/uploadUrl", upload)
    homes = aws_home(services)
    home: Home = next(homes)
    signed = SignedUrl(target["url"], target["method"], "", target["headers"])
    assert home.use(signed, data).status_code == 200
    ask(f"/albums/{album}/photos/{target['photoId']}/complete", None)
    parts = ask(f"/albums/{album}/uploads", upload | {"size": 20 * 2**20})
    job = Job(
        id=new_id(),
        kind=JobKind.INGEST,
        user_id="alice",
        album_id=album,
        created_at=now(),
        updated_at=now(),
    )
    services.jobs.save(job)
    recipient = {"email": "r@example.com", "clusters": []}
    filters = {"onlyAppearing": False}
    body = {"recipients": [recipient], "filters": filters, "sendMail": False}
    share = ask(f"/albums/{album}/share", body)["shares"][0]["id"]
    return {
        "id": album,
        "share": share,
        "pid": target["photoId"],
        "photo_id": target["photoId"],
        "uid": parts["uploadId"],
        "jobId": job.id,
    }


def everything(services: Services, album: str) -> tuple[list[Any], list[Any]]:
    rows = [*services.table.query(f"ALBUM#{album}").items]
    return rows, list(services.objects.list_objects("tenant/"))


def test_another_user_finds_nothing(
    client: TestClient, services: Services, owned: dict[str, str]
) -> None:
    bob = headers_of(services, "bob")
    before = everything(services, owned["id"])
    assert before[0] and before[1]
    asked = 0
    for operation in _operations(client.get("/openapi.json").json()):
        if operation.id in PUBLIC | OWN:
            continue
        url = _url(operation, owned)
        answer = client.request(operation.method, url, json=operation.body, headers=bob)
        assert answer.status_code == 404, (operation, answer.status_code, answer.text)
        asked += 1
    assert asked > 40
    assert everything(services, owned["id"]) == before


def test_lists_are_of_ones_own(
    client: TestClient, services: Services, owned: dict[str, str]
) -> None:
    alice, bob = headers_of(services, "alice"), headers_of(services, "bob")
    assert len(client.get("/albums", headers=alice).json()["albums"]) == 1
    for path in ("/albums", "/people", "/me", "/me/audit", "/me/export"):
        answer = client.get(path, headers=bob)
        assert answer.status_code == 200
        assert not any(value in answer.text for value in owned.values()), path


def test_a_url_for_one_key_writes_no_other(
    client: TestClient, services: Services, owned: dict[str, str]
) -> None:
    """Bob may upload, but not into what is Alice's."""
    bob, data = headers_of(services, "bob"), photo_bytes(2)
    album = client.post("/albums", json={"name": "Bob's"}, headers=bob).json()["id"]
    upload = {"filename": "b.jpg", "contentType": "image/jpeg", "size": len(data)}
    target = client.post(f"/albums/{album}/uploadUrl", json=upload, headers=bob).json()
    found = [info.key for info in services.objects.list_objects("tenant/alice/")]
    alices = next(key for key in found if owned["pid"] in key)
    (bobs,) = (part.split("?")[0] for part in target["url"].split("tenant/bob/")[1:])
    before = services.objects.get(alices)
    homes = aws_home(services)
    home: Home = next(homes)
    for url in (
        target["url"].replace(f"tenant/bob/{bobs}", alices),
        target["url"].replace("tenant/bob/", "tenant/alice/"),
        target["url"].replace("tenant/bob/", "tenant/bob/../alice/"),
    ):
        signed = SignedUrl(url, target["method"], "", target["headers"])
        assert home.use(signed, data).status_code in (400, 403), url
    assert services.objects.get(alices) == before
    assert [info.key for info in services.objects.list_objects("tenant/alice/")] == found
