"""What is left of photos and albums when they, or their originals, are removed."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

from api.domain import counts
from api.services import Services

from .conftest import AlbumClient, local_path, photo_bytes


def _objects(services: Services) -> set[str]:
    return {info.key.split("/", 3)[-1] for info in services.objects.list_objects("tenant/")}


def test_photo_is_deleted_with_all_it_left(album: AlbumClient, services: Services) -> None:
    gone = album.upload("gone.jpg", photo_bytes(1, (640, 480), color=0))
    album.upload("near.jpg", photo_bytes(1, (320, 240), color=0))
    album.upload("stays.jpg", photo_bytes(2, color=0))
    album.process()
    answer = album.http.delete(f"/photos/{gone}", headers=album.headers)
    assert answer.status_code == 204
    assert album.http.delete(f"/photos/{gone}", headers=album.headers).status_code == 404
    album.wait()
    photos = album.photos()
    assert set(photos) == {"near.jpg", "stays.jpg"}
    assert photos["near.jpg"]["duplicateOf"] is None
    assert album.get("/clusters")["clusters"][0]["size"] == 2
    assert counts.read(services, album.id) == counts.recount(services, album.id)
    assert not any(gone in key for key in _objects(services))
    assert len([key for key in _objects(services) if key.startswith("crops/")]) == 2


def test_exact_copy_takes_the_place_of_a_deleted_photo(
    album: AlbumClient, services: Services
) -> None:
    data = photo_bytes(1, color=0)
    gone = album.upload("first.jpg", data)
    heir = album.upload("second.jpg", data, sha256=False)
    third = album.upload("third.jpg", data, sha256=False)
    album.process()
    album.http.delete(f"/photos/{gone}", headers=album.headers)
    status = album.wait()
    assert status["counts"] == {
        "photos": 2,
        "duplicates": 1,
        "faces": 1,
        "clusters": status["counts"]["clusters"],
        "unassigned": status["counts"]["unassigned"],
        "failed": 0,
    }
    photos = album.photos()
    assert photos["second.jpg"]["duplicateOf"] is None
    assert photos["third.jpg"]["duplicateOf"] == heir and photos["third.jpg"]["id"] == third
    (face,) = services.faces.all(f"ALBUM#{album.id}")
    assert face.photo_id == heir
    assert services.objects.head(f"tenant/alice/{album.id}/{heir}.npy") is not None
    again = album.announce("again.jpg", data, sha256=hashlib.sha256(data).hexdigest())
    assert again["duplicateOf"] == heir


def test_originals_are_purged(make_album: Callable[..., AlbumClient], services: Services) -> None:
    album = make_album(keepOriginals=False)
    photo_id = album.upload("a.jpg", photo_bytes(1))
    broken = album.upload("broken.jpg", photo_bytes(2)[:500])
    album.process()
    photo = album.photos()["a.jpg"]
    assert photo["originalPurged"] and photo["originalUrl"] is None
    path = f"/photos/{photo_id}/original"
    assert album.http.get(path, headers=album.headers).status_code == 410
    assert album.http.get(local_path(photo["thumbUrl"])).status_code == 200
    originals = [key for key in _objects(services) if key[:2] == "20"]
    assert [key.split("/")[-1].split(".")[0] for key in originals] == [broken]
    # New photos are compared with, and join, what has no original any more.
    album.upload("b.jpg", photo_bytes(1, (300, 225), quality=70))
    counts_after = album.process()["counts"]
    assert counts_after["duplicates"] == 1 and counts_after["clusters"] == 1


def test_originals_of_an_album_are_purged_later(album: AlbumClient, services: Services) -> None:
    album.upload("a.jpg", photo_bytes(1))
    album.process()
    answer = album.http.patch(
        f"/albums/{album.id}", headers=album.headers, json={"keepOriginals": False, "name": "Less"}
    )
    assert answer.json()["name"] == "Less" and not answer.json()["keepOriginals"]
    for _ in range(200):
        if album.photos()["a.jpg"]["originalPurged"]:
            break
        album.get("/jobs")
    assert not [key for key in _objects(services) if key[:2] == "20"]


def test_album_is_deleted_with_everything(album: AlbumClient, services: Services) -> None:
    album.upload("a.jpg", photo_bytes(1))
    album.process()
    body = {"filename": "b.jpg", "contentType": "image/jpeg", "size": 17 * 2**20}
    album.post("/uploads", body, expect=201)
    path = f"/albums/{album.id}"
    assert album.http.delete(path, headers=album.headers).status_code == 204
    assert album.http.get(path, headers=album.headers).status_code == 404
    assert album.http.get("/albums", headers=album.headers).json()["albums"] == []
    workflow: Any = album.http.app.state.workflow  # type: ignore[attr-defined]
    assert workflow.idle(20)
    assert _objects(services) == set()
    assert services.table.query(f"ALBUM#{album.id}").items == ()


def test_without_originals_all_but_full_size_works(
    make_album: Callable[..., AlbumClient], services: Services
) -> None:
    album = make_album(keepOriginals=False)
    for number in range(6):
        album.upload(f"{number}.jpg", photo_bytes(number, color=120 * (number % 2)))
    album.process()
    assert not [key for key in _objects(services) if key[:2] == "20"]
    first, second = (cluster["id"] for cluster in album.get("/clusters")["clusters"])

    # People: faces are seen and corrected, and everything is grouped anew.
    faces = album.get(f"/clusters/{first}/faces")["faces"]
    assert all(album.http.get(local_path(face["cropUrl"])).status_code == 200 for face in faces)
    album.post(f"/clusters/{first}/label", {"name": "Anna"})
    merged = album.post("/clusters/merge", {"clusters": [first, second]})
    album.post(f"/decisions/{merged['decision']}/undo")
    album.post(f"/clusters/{first}/split", {"faces": [faces[0]["id"]]})
    assert album.get("/suggestions")["suggestions"][0]["name"] == "Anna"
    album.post("/clusters/recluster", expect=202)
    album.wait()
    assert album.get(f"/clusters/{first}")["label"] == "Anna"

    # Sharing: the page has its pictures, and the ZIP says what they are.
    recipient = {"email": "carol@example.org", "clusters": [first]}
    made = album.post("/share", {"recipients": [recipient], "sendMail": False}, expect=201)
    path = f"/shares/{made['shares'][0]['id']}"
    photos = album.http.get(path).json()["photos"]
    assert len(photos) == 2
    for photo in photos:
        assert photo["downloadUrl"] is None
        for url in (photo["thumbnailUrl"], photo["viewUrl"]):
            assert album.http.get(local_path(url)).headers["content-type"] == "image/jpeg"
    assert album.http.post(f"{path}/archive").status_code == 202
    limit = time.monotonic() + 60
    while (answer := album.http.get(f"{path}/archive")).status_code != 200:
        assert time.monotonic() < limit
        time.sleep(0.02)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert [file["full"] for file in manifest["files"]] == [False, False]

    # What a user takes along.
    exported = album.http.get("/me/export", headers=album.headers).json()
    rows = [row for row in exported["albums"][0]["rows"] if "links" in row]
    assert len(rows) == 6 and all("thumbnail" in row["links"] for row in rows)
