"""Pages of photos are put together from remembered pieces, and nobody can tell."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from api.domain import photos
from api.domain.models import Album, Photo, PhotoStatus
from api.domain.recent import Recent
from api.routers.schemas.photos import PhotoPage, photo_view
from api.services import Services

from .conftest import AlbumClient, photo_bytes


def _content(album: AlbumClient, **params: Any) -> bytes:
    answer = album.http.get(f"/albums/{album.id}/photos", headers=album.headers, params=params)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    return answer.content


def _expected(services: Services, album: AlbumClient) -> bytes:
    """The page made of nothing but what the rows say now, as its schema has it."""
    found = services.albums.get(Album.key_of("alice", album.id))
    assert found is not None
    rows = [
        photo
        for photo in services.photos.all(f"ALBUM#{album.id}")
        if photo.status is not PhotoStatus.UPLOADING
    ]
    views = (photo_view(services, entry) for entry in photos.with_faces(services, found, rows))
    return PhotoPage(photos=tuple(views), cursor=None).model_dump_json(by_alias=True).encode()


def test_every_write_is_seen_by_the_next_page(
    album: AlbumClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []

    def changed(what: str) -> dict[str, Any]:
        content = _content(album)
        assert content == _expected(services, album), what
        assert content not in seen, f"{what}: nothing changed"
        seen.append(content)
        assert _content(album) == content, what
        return album.photos()

    changed("empty")
    near = photo_bytes(1, (320, 240), quality=60, color=0)
    ids = {"big ü.jpg": album.upload("big ü.jpg", photo_bytes(1, (640, 480), color=0))}
    changed("uploaded")
    ids["small.jpg"] = album.upload("small.jpg", near)
    ids["other.jpg"] = album.upload("other.jpg", photo_bytes(2, color=128))
    ids["third.jpg"] = album.upload("third.jpg", photo_bytes(4, color=128))
    ids["broken.jpg"] = album.upload("broken.jpg", photo_bytes(3)[:700])
    album.post("/process")
    while album.get("/status")["state"] == "processing":
        _content(album)  # whatever step the photos are at is remembered
    rows = changed("processed")
    assert {row["status"] for row in rows.values()} == {"done", "failed"}
    # Who is in them.
    first, second = (group["id"] for group in album.get("/clusters")["clusters"])
    album.post("/clusters/merge", {"clusters": [first, second]})
    assert {face["cluster"] for row in changed("merged").values() for face in row["faces"]} == {
        first
    }
    (face,) = rows["other.jpg"]["faces"]
    album.post(f"/clusters/{first}/label", {"name": "Ann"})
    assert _content(album) == seen[-1] == _expected(services, album), "names are not in it"
    album.post(f"/faces/{face['id']}/reject", {"cluster": first})
    (after,) = changed("rejected")["other.jpg"]["faces"]
    assert after["cluster"] != first
    # Duplicates.
    album.post(f"/duplicates/{ids['small.jpg']}/keep")
    assert changed("kept")["big ü.jpg"]["duplicateOf"] == ids["small.jpg"]
    album.post(f"/duplicates/{ids['big ü.jpg']}/separate")
    assert changed("separated")["big ü.jpg"]["duplicateOf"] is None
    # Another try, seen before anybody goes at it.
    broken = services.photos.get(Photo.key_of(album.id, ids["broken.jpg"]))
    assert broken is not None
    photos.retry(services, broken)
    assert changed("retried")["broken.jpg"]["status"] == "pending"
    album.process()
    assert album.photos()["broken.jpg"]["status"] == "failed"
    # Originals go, then a photo, and then the URLs end.
    album.http.patch(
        f"/albums/{album.id}", headers=album.headers, json={"keepOriginals": False}
    ).raise_for_status()
    limit = time.monotonic() + 30
    while album.photos()["other.jpg"]["originalUrl"] and time.monotonic() < limit:
        time.sleep(0.02)
    assert changed("purged")["other.jpg"]["originalPurged"]
    answer = album.http.delete(f"/photos/{ids['small.jpg']}", headers=album.headers)
    assert answer.status_code == 204
    album.wait()
    assert set(changed("deleted")) == set(ids) - {"small.jpg"}
    later = time.time() + services.settings.view_url_seconds / 2
    monkeypatch.setattr("api.objects.signer.time", SimpleNamespace(time=lambda: later))
    changed("URLs ended")


@pytest.mark.parametrize("filters", [{"status": "failed"}, {"order": "newest"}, {"limit": 1}])
def test_filters_and_parts_show_the_same_photos(
    album: AlbumClient, filters: dict[str, Any]
) -> None:
    for number in range(2):
        album.upload(f"{number}.jpg", photo_bytes(number, color=0))
    album.upload("broken.jpg", photo_bytes(3)[:700])
    album.process()
    whole = album.photos()
    part = album.photos(**filters)
    assert part == {name: whole[name] for name in part}
    assert len(part) == (1 if "status" in filters else 3)
    cluster = whole["0.jpg"]["faces"][0]["cluster"]
    assert cluster is not None
    assert album.photos(cluster=cluster) == {name: whole[name] for name in ("0.jpg", "1.jpg")}


def test_what_is_remembered_has_a_limit() -> None:
    recent: Recent[str] = Recent(100)
    for number in range(10):
        recent.keep(number, f"{number}", 30)
        recent.get(0)
    assert [number for number in range(10) if recent.get(number)] == [0, 8, 9]
    assert recent.taken == 90
    recent.keep(9, "larger", 40)
    assert (recent.get(9), recent.taken) == ("larger", 100)
    recent.keep("too large", "thing", 101)
    assert recent.get("too large") is None and recent.taken == 0


def test_what_is_remembered_is_forgotten_with_the_rest(
    album: AlbumClient, services: Services
) -> None:
    album.upload("a.jpg", photo_bytes(1))
    album.photos()
    assert services.memory.photo_pieces.taken > 1000
    services.memory.clear()  # as erasing an account does
    assert services.memory.photo_pieces.taken == 0
    assert set(album.photos()) == {"a.jpg"}
