"""Every route of the OpenAPI document, as nobody and as another user."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.domain.models import Job, JobKind
from api.ids import new_id, now
from api.main import create_app
from api.services import Services

PUBLIC = {
    "getHealth",
    "getConfig",
    "createDevToken",
    "getKeys",
    "getReceipt",
    "openShare",
    "unlockShare",
    "readSharedPhoto",
    "buildArchive",
    "downloadArchive",
    "getArchiveStatus",
}
"""On purpose: the id in the link of a share, or of a receipt, is the permission."""
OWN = {
    "createAlbum",
    "listAlbums",
    "listPeople",
    "getAccount",
    "listAudit",
    "exportAccount",
    "eraseAccount",
    "setConsent",
}
"""About the caller alone: there is nothing of another user to ask for."""


@dataclass(frozen=True)
class Operation:
    """A route, with a body that is valid and the ids of what alice has."""

    id: str
    method: str
    path: str
    body: Any


def _operations(document: dict[str, Any]) -> list[Operation]:
    return [
        Operation(
            operation["operationId"],
            method.upper(),
            path,
            _example(document, _body_schema(operation)),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _body_schema(operation: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] | None = content.get("application/json", {}).get("schema")
    return schema


def _example(document: dict[str, Any], schema: dict[str, Any] | None) -> Any:
    """The least value that the schema allows."""
    if schema is None:
        return None
    if "$ref" in schema:
        return _example(
            document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        )
    if "anyOf" in schema:
        return _example(document, schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {
                name: _example(document, properties[name]) for name in schema.get("required", ())
            }
        case "array":
            return [_example(document, schema["items"])] * max(1, schema.get("minItems", 1))
        case "string":
            if schema.get("format") == "email":
                return "r@example.org"
            return new_id() if "[0-7]" in schema.get("pattern", "") else "image/jpeg"
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
    raise AssertionError(f"no example of {schema}")


@pytest.fixture
def owned(client: TestClient, services: Services, alice: dict[str, str]) -> dict[str, str]:
    """Ids of what alice has, by the names of path parameters."""
    album = client.post("/albums", json={"name": "Alice's"}, headers=alice).json()["id"]
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), (200, 30, 30)).save(picture, "JPEG")
    data = picture.getvalue()
    upload = {"filename": "a.jpg", "contentType": "image/jpeg", "size": len(data)}
    target = client.post(f"/albums/{album}/uploadUrl", json=upload, headers=alice).json()
    put = client.put(target["url"], content=data, headers=target["headers"])
    assert put.status_code == 200
    parts = client.post(
        f"/albums/{album}/uploads", json=upload | {"size": 20 * 2**20}, headers=alice
    ).json()
    job = Job(
        id=new_id(),
        kind=JobKind.INGEST,
        user_id="alice",
        album_id=album,
        created_at=now(),
        updated_at=now(),
    )
    services.jobs.save(job)
    share = client.post(
        f"/albums/{album}/share",
        json={
            "recipients": [{"email": "r@example.com", "clusters": []}],
            "filters": {"onlyAppearing": False},
            # A mail that is sent later would change the album while it is looked at.
            "sendMail": False,
        },
        headers=alice,
    )
    assert share.status_code == 201, share.text
    return {
        "id": album,
        "share": share.json()["shares"][0]["id"],
        "pid": target["photoId"],
        "photo_id": target["photoId"],
        "uid": parts["uploadId"],
        "jobId": job.id,
    }


def _url(operation: Operation, owned: dict[str, str]) -> str:
    path = operation.path
    if path.startswith("/shares/{id}"):
        path = path.replace("{id}", owned["share"])
    for name, value in owned.items():
        path = path.replace(f"{{{name}}}", value)
    # What alice has none of yet.
    for name in ("cluster_id", "face_id", "suggestion_id", "decision_id"):
        path = path.replace(f"{{{name}}}", new_id())
    return path.replace("{size}", "view")


def test_every_route_is_known_here(services: Services) -> None:
    names = {operation.id for operation in _operations(create_app(services=services).openapi())}
    assert names >= PUBLIC | OWN
    assert not PUBLIC & OWN


def test_nobody_is_asked_to_sign_in(client: TestClient, owned: dict[str, str]) -> None:
    asked = 0
    for operation in _operations(client.get("/openapi.json").json()):
        if operation.id in PUBLIC:
            continue
        url = _url(operation, owned)
        for headers in ({}, {"Authorization": "Bearer e30.e30.e30"}):
            answer = client.request(operation.method, url, json=operation.body, headers=headers)
            assert answer.status_code == 401, (operation, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
        asked += 1
    assert asked > 40


def test_another_user_finds_nothing(
    client: TestClient,
    services: Services,
    owned: dict[str, str],
    sign_in: Callable[[str], dict[str, str]],
) -> None:
    bob = sign_in("bob")
    before = _rows_of_alice(services, owned)
    asked = 0
    for operation in _operations(client.get("/openapi.json").json()):
        if operation.id in PUBLIC | OWN:
            continue
        url = _url(operation, owned)
        answer = client.request(operation.method, url, json=operation.body, headers=bob)
        assert answer.status_code == 404, (operation, answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        asked += 1
    assert asked > 40
    assert _rows_of_alice(services, owned) == before


def test_one_does_not_see_the_others_things_in_lists(
    client: TestClient, owned: dict[str, str], sign_in: Callable[[str], dict[str, str]]
) -> None:
    bob = sign_in("bob")
    assert client.get("/albums", headers=bob).json()["albums"] == []
    for path in ("/people", "/me", "/me/audit", "/me/export"):
        text = client.get(path, headers=bob).text
        assert not any(value in text for value in owned.values()), path


def _rows_of_alice(services: Services, owned: dict[str, str]) -> list[Any]:
    return list(services.photos.all(f"ALBUM#{owned['id']}")) + list(
        services.albums.all("USER#alice")
    )
