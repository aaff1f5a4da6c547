from __future__ import annotations

import io
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path

from fastapi.testclient import TestClient
from PIL import Image

from api.domain import consent, erase, quota, receipts
from api.main import create_app
from api.services import Services
from api.settings import Settings


def upload(client: TestClient, headers: dict[str, str], album: str, color: int = 30) -> str:
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), (200, color, 30)).save(picture, "JPEG")
    data = picture.getvalue()
    asked = {"filename": "a.jpg", "contentType": "image/jpeg", "size": len(data)}
    target = client.post(f"/albums/{album}/uploadUrl", json=asked, headers=headers)
    assert target.status_code == 200, target.text
    sent = client.put(target.json()["url"], content=data, headers=target.json()["headers"])
    assert sent.status_code == 200
    photo: str = target.json()["photoId"]
    return photo


def fill(client: TestClient, headers: dict[str, str], photos: int = 3) -> str:
    album: str = client.post("/albums", json={"name": "Secret"}, headers=headers).json()["id"]
    for number in range(photos):
        upload(client, headers, album, number * 40)
    client.post(
        f"/albums/{album}/uploads",
        json={"filename": "b.jpg", "contentType": "image/jpeg", "size": 20 * 2**20},
        headers=headers,
    )
    client.post(f"/albums/{album}/process", headers=headers)
    return album


def wait_until_done(client: TestClient, headers: dict[str, str], album: str) -> None:
    for _ in range(600):
        status = client.get(f"/albums/{album}/status", headers=headers).json()
        if status["state"] != "processing":
            assert status["state"] == "done", status
            return
        time.sleep(0.05)
    raise AssertionError("the ingestion does not end")


_NOBODYS = ("secrets", "faceflow.db", "faceflow.db-wal", "faceflow.db-shm")


def left_of(data: Path, *names: str) -> list[str]:
    """Rows and files in which one of the names is left."""
    found = []
    with sqlite3.connect(data / "faceflow.db") as connection:
        for pk, sk, item in connection.execute("SELECT pk, sk, item FROM items"):
            found += [f"{pk} {sk}" for name in names if name in f"{pk} {sk} {item}"]
    # Not `rglob`: folders vanish while an account is being erased.
    walked = [(Path(folder), files) for folder, _, files in os.walk(data)]
    for path in chain.from_iterable((at, *(at / file for file in files)) for at, files in walked):
        relative = path.relative_to(data)
        if relative.parts and relative.parts[0] in _NOBODYS:
            continue
        inside = b""
        with suppress(FileNotFoundError):
            inside = path.read_bytes() if path.is_file() else b""
        found += [
            str(relative) for name in names if name in str(relative) or name.encode() in inside
        ]
    return found


def test_an_account_counts_what_it_keeps(client: TestClient, alice: dict[str, str]) -> None:
    album = fill(client, alice)
    account = client.get("/me", headers=alice).json()
    assert account["userId"] == "alice"
    assert account["photos"] == 4
    assert account["bytes"] > 20 * 2**20
    (going,) = client.get(f"/albums/{album}/uploads", headers=alice).json()["uploads"]
    client.delete(f"/albums/{album}/uploads/{going['uploadId']}", headers=alice)
    assert client.get("/me", headers=alice).json()["photos"] == 3
    wait_until_done(client, alice, album)
    client.delete(f"/albums/{album}", headers=alice)
    for _ in range(200):
        account = client.get("/me", headers=alice).json()
        if account["photos"] == 0:
            break
        time.sleep(0.05)
    assert (account["photos"], account["bytes"]) == (0, 0)


def test_quotas_are_kept_even_when_all_come_at_once(services: Services) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from api.errors import TooLarge

    tight = services.settings.model_copy(update={"quota_photos": 5, "quota_bytes": 450})
    limited = Services(**{**vars(services), "settings": tight})

    def reserve(size: int) -> bool:
        try:
            writes = quota.reserve(limited, "alice", "album", size)
            quota.transact(limited, "alice", writes)
        except TooLarge:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(reserve, [100] * 20)) == 4
        assert sum(pool.map(reserve, [1] * 20)) == 1
    usage = quota.read(limited, "alice")
    assert (usage.photos, usage.bytes) == (5, 401)
    quota.release_album(limited, "alice", "album")
    quota.release_album(limited, "alice", "album")
    usage = quota.read(limited, "alice")
    assert (usage.photos, usage.bytes) == (0, 0)


def test_over_the_quota_is_413_and_leaves_nothing(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, web=tmp_path / "none", quota_photos=1)
    with TestClient(create_app(settings)) as client:
        token = client.post("/auth/dev-token", json={"user": "alice"}).json()["token"]
        alice = {"Authorization": f"Bearer {token}"}
        album = client.post("/albums", json={"name": "a"}, headers=alice).json()["id"]
        upload(client, alice, album)
        for path, size in (("uploadUrl", 10), ("uploads", 20 * 2**20)):
            asked = {"filename": "b.jpg", "contentType": "image/jpeg", "size": size}
            answer = client.post(f"/albums/{album}/{path}", json=asked, headers=alice)
            assert (answer.status_code, answer.json()["quotaPhotos"]) == (413, 1)
        assert client.get("/me", headers=alice).json()["photos"] == 1
        assert list((tmp_path / "objects" / "uploads").iterdir()) == []


def test_the_audit_log_says_who_saw_and_changed_what(
    client: TestClient, alice: dict[str, str]
) -> None:
    album = client.post("/albums", json={"name": "a"}, headers=alice).json()["id"]
    for _ in range(3):
        client.get(f"/albums/{album}", headers=alice)
    changed = client.patch(f"/albums/{album}", json={"name": "b"}, headers=alice)
    client.patch(f"/albums/{album}", json={"name": ""}, headers=alice)
    first = client.get("/me/audit", params={"limit": 2}, headers=alice).json()
    rest = client.get("/me/audit", params={"cursor": first["cursor"]}, headers=alice).json()
    entries = first["entries"] + rest["entries"]
    assert [entry["action"] for entry in entries if entry["action"] != "listAudit"] == [
        "changeAlbum",
        "getAlbum",
        "createAlbum",
    ]
    change = next(entry for entry in entries if entry["action"] == "changeAlbum")
    assert change["subject"] == {"id": album}
    assert change["actor"] == "user"
    assert change["requestId"] == changed.headers["x-request-id"]


def test_the_export_has_every_row_and_working_links(
    client: TestClient, alice: dict[str, str]
) -> None:
    album = fill(client, alice, photos=2)
    wait_until_done(client, alice, album)
    nobody = client.get(f"/albums/{album}/faces/unassigned", headers=alice).json()["faces"]
    move = {"faces": [nobody[0]["id"]], "cluster": None}
    client.post(f"/albums/{album}/faces/move", json=move, headers=alice).raise_for_status()
    document = client.get("/me/export", headers=alice).json()
    (found,) = document["albums"]
    photos = [row for row in found["rows"] if "links" in row and row["status"] == "done"]
    assert (found["id"], len(photos)) == (album, 2)
    for photo in photos:
        original = client.get(photo["links"]["original"])
        assert len(original.content) == photo["size"]
        assert client.get(photo["links"]["thumbnail"]).status_code == 200
    shown = client.get(f"/albums/{album}/photos", headers=alice).json()["photos"]
    who = {face["id"]: face["cluster"] for photo in shown for face in photo["faces"]}
    faces = {row["id"]: row["cluster"] for row in found["rows"] if "landmarks" in row}
    assert faces == who and None in who.values() and any(who.values())
    assert any(row.get("action") == "createAlbum" for row in document["account"])
    assert "passwordHash" not in str(document) and "gsi1pk" not in str(document)


def test_erasing_leaves_nothing_but_a_receipt(
    client: TestClient,
    services: Services,
    alice: dict[str, str],
    sign_in: Callable[[str], dict[str, str]],
) -> None:
    bob = sign_in("bob")
    others = fill(client, bob, photos=1)
    album = fill(client, alice)
    wait_until_done(client, alice, album)
    share = client.post(
        f"/albums/{album}/share",
        json={
            "recipients": [{"email": "recipient@example.com", "clusters": []}],
            "filters": {"onlyAppearing": False},
        },
        headers=alice,
    )
    share_ids = [one["id"] for one in share.json()["shares"]]
    assert client.get(f"/shares/{share_ids[0]}").status_code == 200
    seen = client.get("/me/audit", headers=alice).json()["entries"]
    assert {"actor": "recipient", "action": "openShare"}.items() <= seen[0].items()
    assert client.post(f"/shares/{share_ids[0]}/archive").is_success
    outbox = services.settings.data / "outbox"
    for _ in range(200):
        if any(outbox.iterdir()):
            break
        time.sleep(0.05)
    assert left_of(services.settings.data, "recipient@example.com")
    going = fill(client, alice, photos=2)

    answer = client.delete("/me", headers=alice)
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert receipt["state"] == "done"
    assert receipt["genuine"]
    assert receipt["erased"]["albums"] == 2
    assert receipt["erased"]["photos"] == 7
    assert receipt["erased"]["shares"] == 1
    assert receipt["erased"]["objects"] >= 3
    assert client.get(f"/shares/{share_ids[0]}").status_code == 404
    assert client.get(f"/receipts/{receipt['id']}").json() == receipt

    names = ["alice", "recipient@example.com", album, going, "Secret", *share_ids]
    still_bobs = left_of(services.settings.data, others)
    assert still_bobs
    found = [place for place in left_of(services.settings.data, *names) if place not in still_bobs]
    assert found == []

    # The name may be used again; the account is new.
    assert client.get("/albums", headers=alice).json()["albums"] == []
    assert client.get(f"/albums/{others}", headers=bob).status_code == 200


def test_an_altered_receipt_is_not_genuine(client: TestClient, services: Services) -> None:
    token = client.post("/auth/dev-token", json={"user": "carol"}).json()["token"]
    answer = client.delete("/me", headers={"Authorization": f"Bearer {token}"})
    receipt = receipts.read(services, answer.json()["id"])
    assert receipt is not None and receipt.is_genuine(services.keyring)
    more = receipt.erased.model_copy(update={"photos": 1000})
    assert not receipt.model_copy(update={"erased": more}).is_genuine(services.keyring)
    assert "carol" not in receipt.model_dump_json()


def test_while_it_is_erased_an_account_takes_nothing_new(
    client: TestClient, services: Services, alice: dict[str, str]
) -> None:
    mark = erase.Closed(user_id="alice", receipt_id="x")
    services.table.write(_put(mark))
    answer = client.post("/albums", json={"name": "a"}, headers=alice)
    assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
    assert client.delete("/me", headers=alice).status_code == 200
    assert client.post("/albums", json={"name": "a"}, headers=alice).status_code == 201


def _put(record: erase.Closed):  # type: ignore[no-untyped-def]
    from api.repositories.table import Put

    return Put(record.key(), record.to_item())


def test_consent_is_asked_for_given_and_taken_back(
    client: TestClient, services: Services, alice: dict[str, str]
) -> None:
    assert client.get("/me", headers=alice).json()["trainingConsent"] is False
    for training in (True, True, False):
        answer = client.put("/me/consent", json={"training": training}, headers=alice)
        assert (answer.status_code, answer.json()) == (200, {"training": training})
        assert client.get("/me", headers=alice).json()["trainingConsent"] is training
        assert consent.is_given(services, "alice") is training
    assert client.put("/me/consent", json={"training": True}).status_code == 401
    actions = [e["action"] for e in client.get("/me/audit", headers=alice).json()["entries"]]
    assert actions.count("setConsent") == 3
