"""Who gets into a share: passwords, expiry, revocation, other users."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from booth import Booth, jpeg
from fastapi.testclient import TestClient
from visits import Headers, download, make, opened

from api import ids
from api.domain.models import Cluster, Photo
from api.domain.share_models import Share
from api.objects import keys
from api.services import Services
from api.sharing import passwords, shares, tokens


def test_password(client: TestClient, booth: Booth, alice: Headers) -> None:
    share = make(client, booth, alice, password="open sesame")
    url = f"/shares/{share['id']}"
    assert share["hasPassword"] and "open sesame" not in json.dumps(share)
    refused = client.get(url)
    assert refused.status_code == 401 and refused.json()["passwordRequired"] is True
    for path in ("/archive", "/archive/status"):
        assert client.get(url + path).status_code == 401
    assert client.post(f"{url}/archive").status_code == 401
    assert client.post(f"{url}/unlock", json={"password": "wrong"}).status_code == 401
    right = client.post(f"{url}/unlock", json={"password": "open sesame"})
    assert right.status_code == 200
    assert "httponly" in right.headers["set-cookie"].lower()
    assert client.get(url).status_code == 200  # by cookie
    client.cookies.clear()
    assert client.get(url).status_code == 401
    token = right.json()["token"]
    page = client.get(url, headers={"X-Share-Token": token})
    assert page.status_code == 200
    photo_url = page.json()["photos"][0]["viewUrl"]
    photo_token = re.search("token=(.*)", photo_url)[1]
    assert client.get(url, headers={"X-Share-Token": photo_token}).status_code == 401
    changed = client.patch(url, json={"password": "another"}, headers=alice)
    assert changed.status_code == 200
    assert client.get(url, headers={"X-Share-Token": token}).status_code == 401
    assert client.get(photo_url).status_code == 401


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from datetime import UTC, datetime, timedelta

        self._start = datetime(2030, 1, 1, tzinfo=UTC)
        self._step = timedelta
        self.seconds = 0.0
        for module in (passwords, shares, tokens):
            monkeypatch.setattr(module, "now", self.now)

    def now(self) -> str:
        moment = self._start + self._step(seconds=self.seconds)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_lock_out_grows(
    client: TestClient, booth: Booth, alice: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    share = make(client, booth, alice, password="open sesame")
    url = f"/shares/{share['id']}/unlock"

    def attempt(password: str) -> int:
        return client.post(url, json={"password": password}).status_code

    assert [attempt("guess") for _ in range(passwords.FREE_TRIES)] == [401] * 5
    locked = client.post(url, json={"password": "open sesame"})
    assert locked.status_code == 429, "even the right one has to wait"
    assert 29 <= int(locked.headers["retry-after"]) <= 31
    clock.seconds += 31
    assert attempt("guess") == 401
    clock.seconds += 31
    assert attempt("open sesame") == 429, "the second pause is longer"
    clock.seconds += 30
    assert attempt("open sesame") == 200
    assert [attempt("guess") for _ in range(4)] == [401] * 4, "a right password forgives"


def test_tokens_end(
    client: TestClient, booth: Booth, alice: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    share = make(client, booth, alice, password="open sesame")
    url = f"/shares/{share['id']}"
    token = client.post(f"{url}/unlock", json={"password": "open sesame"}).json()["token"]
    client.cookies.clear()
    page = client.get(url, headers={"X-Share-Token": token}).json()
    view = page["photos"][0]["viewUrl"]
    clock.seconds += 3599
    assert client.get(view, follow_redirects=False).status_code == 307
    assert client.get(url, headers={"X-Share-Token": token}).status_code == 200
    clock.seconds += 2
    assert client.get(url, headers={"X-Share-Token": token}).status_code == 401
    clock.seconds += 3600
    assert client.get(view).status_code == 401


def test_expiry(
    client: TestClient, booth: Booth, alice: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    past = {"recipients": [{"email": "b@example.com", "clusters": [booth.cluster(0)]}]}
    answer = client.post(
        f"/albums/{booth.album.id}/share",
        json=past | {"expiresAt": "2029-12-31T00:00:00Z"},
        headers=alice,
    )
    assert answer.status_code == 400
    share = make(client, booth, alice, expiresAt="2030-01-01T02:00:00+01:00")
    url = f"/shares/{share['id']}"
    page = opened(client, share)
    assert page["expiresAt"].startswith("2030-01-01T01:00:00")
    clock.seconds = 3599.9
    assert client.get(url).status_code == 200
    clock.seconds = 3600
    for path in ("", "/archive", "/archive/status"):
        assert client.get(url + path).status_code == 410
    assert client.post(f"{url}/archive").status_code == 410
    assert client.get(page["photos"][0]["viewUrl"]).status_code == 410
    assert client.patch(url, json={"expiresAt": None}, headers=alice).json()["expired"] is False
    assert client.get(url).status_code == 200


def test_revoke_removes_what_was_made(
    client: TestClient, booth: Booth, alice: Headers, services: Services
) -> None:
    share = make(client, booth, alice)
    url = f"/shares/{share['id']}"
    photo = opened(client, share)["photos"][0]
    assert client.get(photo["downloadUrl"]).is_success
    download(client, share)
    prefix = f"tenant/alice/{booth.album.id}/share/{share['id']}/"
    assert len(list(services.objects.list_objects(prefix))) == 3
    assert client.delete(url, headers=alice).status_code == 204
    assert client.delete(url, headers=alice).status_code == 204
    assert list(services.objects.list_objects(prefix)) == []
    for path in ("", "/archive"):
        assert client.get(url + path).status_code == 410
    assert client.get(photo["viewUrl"]).status_code == 410
    assert client.patch(url, json={"live": True}, headers=alice).status_code == 410


def _everything(client: TestClient, page: dict) -> list[str]:
    """Every URL of a recipient's page, and those that they lead to."""
    urls = [url for person in page["people"] for url in [person["coverUrl"]] if url]
    for photo in page["photos"]:
        urls += [photo["thumbnailUrl"], photo["viewUrl"], photo["downloadUrl"]]
    answers = [client.get(url, follow_redirects=False) for url in urls]
    return urls + [found.headers["location"] for found in answers if found.is_redirect]


def test_nothing_of_a_share_outlives_its_revocation(
    client: TestClient, booth: Booth, alice: Headers, services: Services
) -> None:
    cover = services.clusters.get(Cluster.key_of(booth.album.id, booth.cluster(0))).cover
    crop = keys.crop("alice", booth.album.id, cover)
    services.objects.put(crop, jpeg(3, (20, 20)), "image/jpeg")
    share = make(client, booth, alice)
    purged = services.photos.get(Photo.key_of(booth.album.id, booth.with_person(0)[0]))
    services.photos.update(purged, original_purged=True)
    page = opened(client, share)
    page["photos"][0]["downloadUrl"] = page["photos"][0]["viewUrl"]  # it has none
    urls = _everything(client, page)
    assert len(urls) > 3 * len(page["photos"])
    for url in urls:
        answer = client.get(url)
        assert answer.status_code == 200, url
        assert answer.headers["content-type"] == "image/jpeg"
    thumbnail = page["photos"][0]["thumbnailUrl"]
    first = client.get(thumbnail)
    # Whatever a browser has kept, it asks before it shows it again.
    assert first.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": first.headers["etag"]}
    assert client.get(thumbnail, headers=known).status_code == 304
    assert client.delete(f"/shares/{share['id']}", headers=alice).status_code == 204
    assert {client.get(url).status_code for url in urls} <= {404, 410}
    assert client.get(thumbnail, headers=known).status_code == 410


def test_urls_end_with_their_share(
    client: TestClient, booth: Booth, alice: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    share = make(client, booth, alice, expiresAt="2030-01-01T00:02:00Z")
    page = opened(client, share)
    clock.seconds = 60
    before = time.time()
    target = client.get(page["photos"][0]["viewUrl"], follow_redirects=False).headers["location"]
    assert int(re.search(r"expires=(\d+)", target)[1]) <= before + 61
    clock.seconds = 121
    assert client.get(page["photos"][0]["thumbnailUrl"]).status_code == 410


def test_no_downloads(client: TestClient, booth: Booth, alice: Headers) -> None:
    share = make(client, booth, alice, allowDownload=False)
    photo = opened(client, share)["photos"][0]
    assert photo["downloadUrl"] is None
    assert client.get(photo["viewUrl"]).is_success
    assert client.get(photo["viewUrl"].replace("/view", "/download")).status_code == 403
    assert client.post(f"/shares/{share['id']}/archive").status_code == 403


def test_photos_outside_the_share_are_not_there(
    client: TestClient, booth: Booth, alice: Headers
) -> None:
    share = make(client, booth, alice)
    inside = opened(client, share)["photos"][0]
    outside = booth.with_person(2)[0]
    for url in (inside["viewUrl"], inside["thumbnailUrl"]):
        assert client.get(url.replace(inside["id"], outside)).status_code == 404
        assert client.get(url.replace("token=", "token=1")).status_code == 401
    page = opened(client, share)
    cover = page["people"][0]["coverUrl"]
    assert client.get(cover.replace(booth.cluster(0), booth.cluster(2))).status_code == 404


def test_faces_of_photos_outside_the_share_are_not_shown(
    client: TestClient, booth: Booth, alice: Headers, services: Services
) -> None:
    """The best face of the album may be in a photo that the filters leave out."""
    for k, photo_id in enumerate(booth.with_person(0)):
        crop = keys.crop("alice", booth.album.id, ids.derived_id(photo_id, "0"))
        services.objects.put(crop, jpeg(100 + k, (20, 20)), "image/jpeg")
    best = services.clusters.get(Cluster.key_of(booth.album.id, booth.cluster(0))).cover
    taken = {
        ids.derived_id(photo_id, "0"): f"2024-05-{k + 1:02d}"
        for k, photo_id in enumerate(booth.with_person(0))
    }
    other, day = next((face, day) for face, day in taken.items() if face != best)
    for live in (True, False):
        share = make(client, booth, alice, live=live, filters={"takenFrom": day, "takenTo": day})
        (person,) = opened(client, share)["people"]
        shown = client.get(person["coverUrl"])
        assert shown.content == services.objects.get(keys.crop("alice", booth.album.id, other))
        empty = {"takenFrom": "1990-01-01", "takenTo": "1990-01-02"}
        nothing = make(client, booth, alice, live=live, filters=empty)
        page = opened(client, nothing)
        assert (page["count"], page["people"]) == (0, [])
        token = tokens.issue(
            services.shares.get(Share.key_of(booth.album.id, nothing["id"])), "photos", 60
        )
        cover = f"/shares/{nothing['id']}/people/{booth.cluster(0)}/cover"
        assert client.get(cover, params={"token": token}).status_code == 404


def test_somebody_in_no_photo_of_the_share_has_a_name_and_no_face(
    client: TestClient, booth: Booth, alice: Headers
) -> None:
    both = [{"email": "bob@example.com", "clusters": [booth.cluster(0), booth.cluster(2)]}]
    day = {"takenFrom": "2024-05-01", "takenTo": "2024-05-01"}
    page = opened(client, make(client, booth, alice, recipients=both, filters=day))
    assert page["count"] == 1
    first, second = page["people"]
    assert first["coverUrl"] is not None
    assert second["coverUrl"] is None
    missing = first["coverUrl"].replace(booth.cluster(0), booth.cluster(2))
    assert client.get(missing).status_code == 404


def test_others_and_nobody(
    client: TestClient, booth: Booth, alice: Headers, sign_in: Callable[[str], Headers]
) -> None:
    share = make(client, booth, alice)
    mallory = sign_in("mallory")
    album = f"/albums/{booth.album.id}"
    body = {"recipients": [{"email": "m@example.com", "clusters": [booth.cluster(0)]}]}
    calls = [
        ("POST", f"{album}/share", body),
        ("POST", f"{album}/share/preview", {"clusters": [booth.cluster(0)]}),
        ("GET", f"{album}/shares", None),
        ("PATCH", f"/shares/{share['id']}", {"live": True}),
        ("POST", f"/shares/{share['id']}/resend", None),
        ("DELETE", f"/shares/{share['id']}", None),
    ]
    for method, url, json_body in calls:
        assert client.request(method, url, json=json_body, headers=mallory).status_code == 404
        assert client.request(method, url, json=json_body).status_code == 401
    unknown = tokens.new_share_id()
    for path in ("", "/archive", "/archive/status"):
        assert client.get(f"/shares/{unknown}{path}").status_code == 404
    assert client.get(f"/shares/{share['id']}").status_code == 200


def test_ids_do_not_follow_each_other() -> None:
    made = [tokens.new_share_id() for _ in range(200)]
    assert all(ids.is_id(one) for one in made)
    numbers = sorted(int.from_bytes(ids.ULID.from_str(one).bytes) for one in made)
    gaps = [b - a for a, b in pairwise(numbers)]
    assert min(gaps) > 2**64 and len({one[:4] for one in made}) > 150
