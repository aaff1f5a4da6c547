"""Shares over HTTP: make, open, download, change."""

from __future__ import annotations

import email
import email.policy
import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

from booth import Booth
from fastapi.testclient import TestClient
from visits import Headers, download, make, opened, photo_ids, wait_for

from api import ids
from api.domain.edits import merge, split
from api.services import Services


def test_create_open_download(
    client: TestClient, booth: Booth, alice: Headers, tmp_path: Path
) -> None:
    share = make(client, booth, alice)
    page = opened(client, share)
    assert photo_ids(page) == booth.with_person(0)
    assert page["count"] == 4 and page["cursor"] is None
    for photo in page["photos"]:
        for url in (photo["thumbnailUrl"], photo["viewUrl"], photo["downloadUrl"]):
            answer = client.get(url)
            assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
    content = download(client, share)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        names = ["IMG_0.jpg", "IMG_1.jpg", "IMG_2.jpg", "IMG_3.jpg"]
        assert archive.namelist() == [*names, "manifest.json", "SHA256SUMS"]
        assert [file["name"] for file in manifest["files"]] == names
        assert [file["photo"] for file in manifest["files"]] == booth.with_person(0)
        assert manifest["omitted"] == []
        for file in manifest["files"]:
            data = archive.read(file["name"])
            assert hashlib.sha256(data).hexdigest() == file["sha256"] and len(data) == file["size"]
        times = [archive.getinfo(name).date_time for name in names]
        assert times[2] == (2024, 5, 3, 10, 0, 0)
        archive.extractall(tmp_path / "zip")
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    subprocess.run(check, cwd=tmp_path / "zip", check=True, capture_output=True)
    if shutil.which("unzip"):
        (tmp_path / "a.zip").write_bytes(content)
        subprocess.run(["unzip", "-t", tmp_path / "a.zip"], check=True, capture_output=True)


def test_archive_in_ranges(client: TestClient, booth: Booth, alice: Headers) -> None:
    share = make(client, booth, alice)
    url = f"/shares/{share['id']}/archive"
    assert client.get(url).status_code == 404
    content = download(client, share)
    whole = client.get(url)
    etag = whole.headers["etag"]
    assert etag == f'"{hashlib.sha256(content).hexdigest()}"'
    assert whole.headers["content-disposition"].startswith('attachment; filename="Garden party')
    resumed = client.get(url, headers={"Range": "bytes=1000-", "If-Range": etag})
    assert resumed.status_code == 206 and content[:1000] + resumed.content == content
    end = client.get(url, headers={"Range": "bytes=-7"})
    assert end.content == content[-7:]
    assert end.headers["content-range"] == f"bytes {len(content) - 7}-{len(content) - 1}/" + str(
        len(content)
    )
    other = client.get(url, headers={"Range": "bytes=1000-", "If-Range": '"old"'})
    assert other.status_code == 200 and other.content == content
    assert client.get(url, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    head = client.head(url)
    assert head.headers["content-length"] == str(len(content)) and head.content == b""
    status = client.get(f"{url}/status").json()
    assert status["state"] == "ready" and status["size"] == len(content)


def test_pages(client: TestClient, booth: Booth, alice: Headers) -> None:
    share = make(client, booth, alice)
    found, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"/shares/{share['id']}", params=params).json()
        found += photo_ids(page)
        if (cursor := page["cursor"]) is None:
            break
    assert found == booth.with_person(0)
    shown = client.get(f"/albums/{booth.album.id}/shares", headers=alice).json()["shares"]
    assert [(one["id"], one["views"]) for one in shown] == [(share["id"], 1)]


def test_live_shares_grow_and_others_stay(client: TestClient, booth: Booth, alice: Headers) -> None:
    live, fixed = (make(client, booth, alice, live=flag) for flag in (True, False))
    before = booth.with_person(0)
    content = download(client, live)
    booth.photo([0], filename="later.jpg")
    booth.group()
    assert photo_ids(opened(client, live)) == booth.with_person(0) != before
    assert photo_ids(opened(client, fixed)) == before
    assert client.get(f"/shares/{live['id']}/archive").status_code == 404  # out of date
    assert download(client, live) != content


def test_deleted_photos_leave_every_share(
    client: TestClient, booth: Booth, alice: Headers, services: Services
) -> None:
    gone, *left = booth.with_person(0)
    for live in (False, True):
        share = make(client, booth, alice, live=live)
        download(client, share)
        assert client.get(opened(client, share)["photos"][0]["downloadUrl"]).is_success
    assert client.delete(f"/photos/{gone}", headers=alice).is_success
    prefix = f"tenant/alice/{booth.album.id}/share/"
    names = [one.key for one in services.objects.list_objects(prefix)]
    assert not [name for name in names if gone in name or name.endswith(".zip")]
    for share in client.get(f"/albums/{booth.album.id}/shares", headers=alice).json()["shares"]:
        page = opened(client, share)
        assert photo_ids(page) == left and page["count"] == len(left)
        assert client.get(f"/shares/{share['id']}/archive").status_code == 404


def test_shares_follow_merges_and_splits(
    client: TestClient, booth: Booth, alice: Headers, services: Services
) -> None:
    album = booth.current()
    zero, one = booth.cluster(0), booth.cluster(1)
    share = make(client, booth, alice, live=True)
    both = sorted(set(booth.with_person(0)) | set(booth.with_person(1)))
    merged = merge(services, album, [one, zero])
    assert photo_ids(opened(client, share)) == both
    undo = f"/albums/{album.id}/decisions/{merged.entry.id}/undo"
    assert client.post(undo, headers=alice).is_success
    assert photo_ids(opened(client, share)) == booth.with_person(0)
    first, *rest = booth.with_person(0)
    face = ids.derived_id(first, "0")
    split(services, booth.current(), zero, [face])
    assert photo_ids(opened(client, share)) == rest


def test_bad_requests_make_nothing(client: TestClient, booth: Booth, alice: Headers) -> None:
    url = f"/albums/{booth.album.id}/share"
    good = {"email": "bob@example.com", "clusters": [booth.cluster(0)]}
    for bad in (
        {"email": "not an address", "clusters": [booth.cluster(0)]},
        {"email": "bob@example.com\r\nBcc: eve@example.com", "clusters": [booth.cluster(0)]},
        {"email": "eve@example.com", "clusters": [ids.new_id()]},
        {"email": "eve@example.com", "clusters": []},
        good,
    ):
        answer = client.post(url, json={"recipients": [good, bad]}, headers=alice)
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(f"{url}s", headers=alice).json()["shares"] == []


def test_preview_says_what_a_share_holds(client: TestClient, booth: Booth, alice: Headers) -> None:
    url = f"/albums/{booth.album.id}/share/preview"
    body = {"clusters": [booth.cluster(0)], "filters": {"takenFrom": "2024-05-02"}}
    answer = client.post(url, json=body, headers=alice).json()
    assert answer["count"] == 3
    assert [one["id"] for one in answer["sample"]] == booth.with_person(0)[1:]
    assert client.get(answer["sample"][0]["thumbnailUrl"]).status_code == 200
    everything = {"filters": {"onlyAppearing": False}}
    assert client.post(url, json=everything, headers=alice).json()["count"] == 10
    both = {"clusters": [booth.cluster(0), booth.cluster(1)], "filters": {"allOf": True}}
    assert client.post(url, json=both, headers=alice).json()["count"] == 2
    without = {
        "clusters": [booth.cluster(0)],
        "filters": {"excludeClusters": [booth.cluster(1)]},
    }
    assert client.post(url, json=without, headers=alice).json()["count"] == 2


def test_change_takes_new_photos(client: TestClient, booth: Booth, alice: Headers) -> None:
    share = make(client, booth, alice)
    url = f"/shares/{share['id']}"
    changed = client.patch(url, json={"clusters": [booth.cluster(2)]}, headers=alice)
    assert changed.json()["clusters"] == [booth.cluster(2)]
    assert photo_ids(opened(client, share)) == booth.with_person(2)


def test_mail_with_the_link(
    client: TestClient, booth: Booth, alice: Headers, services: Services
) -> None:
    share = make(client, booth, alice, password="open sesame")
    outbox = services.settings.data / "outbox"
    wait_for(lambda: len(list(outbox.glob("*.eml"))) == 1)
    (path,) = outbox.glob("*.eml")
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert message["To"] == "bob@example.com" and "Garden party" in message["Subject"]
    for part in ("plain", "html"):
        body = message.get_body((part,)).get_content()
        assert share["link"] in body and "4 photos" in body and "password" in body
        assert "open sesame" not in body

    def state() -> str:
        return client.get(f"/albums/{booth.album.id}/shares", headers=alice).json()["shares"][0][
            "mailState"
        ]

    wait_for(lambda: state() == "sent")
    assert client.post(f"/shares/{share['id']}/resend", headers=alice).status_code == 202
    wait_for(lambda: len(list(outbox.glob("*.eml"))) == 2)
