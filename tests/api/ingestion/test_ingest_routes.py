"""Upload, process, look: the routes of ingestion with the fast engine."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.domain import counts
from api.domain.models import Photo
from api.ids import new_id, now
from api.services import Services
from tests.api.logged import logged

from .conftest import AlbumClient, Headers, local_path, photo_bytes


def test_upload_process_list(album: AlbumClient) -> None:
    first = album.upload("a.jpg", photo_bytes(1, color=0))
    album.upload("b.jpg", photo_bytes(2, color=0), sha256=False)
    status = album.process()
    assert status["state"] == "done" and status["progress"] == 1.0
    assert status["counts"] == {
        "photos": 2,
        "duplicates": 0,
        "faces": 2,
        "clusters": 1,
        "unassigned": 0,
        "failed": 0,
    }
    photo = album.photos()["a.jpg"]
    assert photo["id"] == first and photo["status"] == "done"
    assert (photo["width"], photo["height"]) == (320, 240)
    assert photo["blur"].startswith("data:image/jpeg;base64,")
    assert photo["sharpness"] > 0
    assert photo["sha256"] == hashlib.sha256(photo_bytes(1, color=0)).hexdigest()
    (face,) = photo["faces"]
    assert face["cluster"] == album.get("/clusters")["clusters"][0]["id"]
    thumb = album.http.get(local_path(photo["thumbUrl"]))
    assert thumb.headers["content-type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(thumb.content)).size) <= 512
    original = album.http.get(f"/photos/{first}/original", headers=album.headers)
    assert original.content == photo_bytes(1, color=0)


def test_the_id_of_a_request_follows_it_into_the_worker_and_the_engine(album: AlbumClient) -> None:
    album.upload("a.jpg", photo_bytes(1, color=0))
    headers = album.headers | {"X-Request-ID": "asked-for-it-1"}
    with logged() as lines:
        answer = album.http.post(f"/albums/{album.id}/process", headers=headers)
        album.wait()
        time.sleep(0.1)
    ids = {"request_id": "asked-for-it-1", "job_id": answer.json()["jobId"]}
    assert [
        line["stage"] for line in lines if line["event"] == "engine" and ids.items() <= line.items()
    ] == ["detect", "embed"]
    (job,) = [line for line in lines if line["event"] == "job" and ids.items() <= line.items()]
    assert (job["kind"], job["outcome"]) == ("ingest", "done") and job["seconds"] > 0


def test_idle_before_anything_was_processed(album: AlbumClient) -> None:
    status = album.get("/status")
    assert status["state"] == "idle" and status["job"] is None and status["progress"] == 0


def test_metadata_is_read_and_orientation_applied(album: AlbumClient) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Canon\0", "Canon EOS 5D"
    exif.get_ifd(0x8769)[0x9003] = "2024:07:01 12:30:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 0.0), 3: "W", 4: (8.0, 0.0, 36.0)})
    album.upload("turned.jpg", photo_bytes(1, exif=exif))
    album.process()
    photo = album.photos()["turned.jpg"]
    assert (photo["width"], photo["height"]) == (240, 320)
    assert photo["exif"] == {
        "takenAt": "2024-07-01T12:30:00",
        "orientation": 6,
        "camera": "Canon EOS 5D",
        "latitude": 47.5,
        "longitude": -8.01,
    }


def test_copies_are_found_and_one_is_kept(album: AlbumClient) -> None:
    big = photo_bytes(1, (640, 480))
    kept = album.upload("big.jpg", big)
    album.upload("copy.jpg", big, sha256=False)
    album.upload("small.jpg", photo_bytes(1, (320, 240), quality=60))
    album.upload("other.jpg", photo_bytes(2))
    status = album.process()
    assert status["counts"]["duplicates"] == 2 and status["counts"]["faces"] == 3
    photos = album.photos()
    kinds = {name: (photo["duplicateOf"], photo["duplicateKind"]) for name, photo in photos.items()}
    assert kinds == {
        "big.jpg": (None, None),
        "copy.jpg": (kept, "exact"),
        "small.jpg": (kept, "near"),
        "other.jpg": (None, None),
    }
    assert photos["copy.jpg"]["faces"] == photos["big.jpg"]["faces"]
    assert set(album.photos(duplicates="only")) == {"copy.jpg", "small.jpg"}
    assert set(album.photos(duplicates="hide")) == {"big.jpg", "other.jpg"}
    # The album has these bytes now.
    assert (
        album.announce("again.jpg", big, sha256=hashlib.sha256(big).hexdigest().upper())[
            "duplicateOf"
        ]
        == kept
    )


def test_a_keeper_is_chosen_and_a_photo_separated(album: AlbumClient, services: Services) -> None:
    big = album.upload("big.jpg", photo_bytes(1, (640, 480)))
    small = album.upload("small.jpg", photo_bytes(1, (320, 240), quality=60))
    album.process()
    (group,) = album.get("/duplicates")["groups"]
    assert group["keep"]["id"] == big and [drop["id"] for drop in group["drop"]] == [small]
    album.post(f"/duplicates/{small}/keep")
    (group,) = album.get("/duplicates")["groups"]
    assert group["keep"]["id"] == small and [drop["id"] for drop in group["drop"]] == [big]
    album.process()  # what people chose stays
    assert album.get("/duplicates")["groups"][0]["keep"]["id"] == small
    album.post(f"/duplicates/{big}/separate")
    assert album.get("/duplicates")["groups"] == []
    assert album.get("/status")["counts"]["duplicates"] == 0
    assert counts.read(services, album.id) == counts.recount(services, album.id)
    album.post(f"/duplicates/{big}/keep", expect=409)


BROKEN = {
    "empty.jpg": (b"\xff\xd8\xff", "damaged"),
    "cut.jpg": (photo_bytes(3)[:700], "damaged"),
    "text.jpg": (b"hello world, this is no photo", "not an image"),
    "html.png": (b"<html><script>alert(1)</script></html>", "not an image"),
    "bomb.png": (photo_bytes(4, format="PNG")[:60], "damaged"),
    "webp.webp": (b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 16, "damaged"),
    "gif.gif": (b"GIF89a" + b"\xff" * 20, "damaged"),
    "heic.heic": (b"\0\0\0\x18ftypheic" + b"\0" * 40, "damaged"),
    "tiff.tif": (b"II*\0" + b"\xff" * 40, "damaged"),
    "bmp.bmp": (b"BM" + b"\0" * 60, ""),
}


def test_broken_files_fail_with_a_reason_and_hold_nothing_up(album: AlbumClient) -> None:
    for name, (data, _) in BROKEN.items():
        album.upload(name, data)
    album.upload("good.jpg", photo_bytes(1))
    status = album.process()
    assert status["state"] == "done"
    assert status["counts"]["failed"] == len(BROKEN) and status["counts"]["photos"] == 11
    photos = album.photos()
    assert photos["good.jpg"]["status"] == "done"
    for name, (_, reason) in BROKEN.items():
        assert photos[name]["status"] == "failed", name
        assert reason in photos[name]["error"], name
    assert set(album.photos(status="failed")) == set(BROKEN)


def test_bytes_that_are_not_those_announced(album: AlbumClient) -> None:
    album.upload("damaged.jpg", photo_bytes(1), sha256=False)
    album.upload("swapped.jpg", photo_bytes(2), sha256="0" * 64)
    album.process()
    photos = album.photos()
    assert photos["damaged.jpg"]["status"] == "done"
    assert photos["swapped.jpg"]["status"] == "failed"
    assert "SHA-256" in photos["swapped.jpg"]["error"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"contentType": "application/pdf"}, 415),
        ({"size": 2**40}, 413),
        ({"size": 20 * 2**20}, 400),
        ({"size": 0}, 422),
        ({"sha256": "abc"}, 422),
        ({"filename": ""}, 422),
        ({"more": 1}, 422),
    ],
)
def test_uploads_that_are_refused(album: AlbumClient, change: Any, status: int) -> None:
    body = {"filename": "a.jpg", "contentType": "image/jpeg", "size": 1000} | change
    answer = album.http.post(f"/albums/{album.id}/uploadUrl", headers=album.headers, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_file_names_are_text_only(album: AlbumClient) -> None:
    album.upload("../../etc/pass\x07wd\u202e.jpg", photo_bytes(1))
    album.process()
    assert set(album.photos()) == {"passwd.jpg"}


def test_photos_are_invisible_until_complete(album: AlbumClient) -> None:
    target = album.announce("later.jpg", photo_bytes(1))
    assert album.photos() == {}
    pid = target["photoId"]
    album.post(f"/photos/{pid}/complete", expect=409)
    assert album.http.get(f"/photos/{pid}", headers=album.headers).status_code == 404
    assert album.process()["counts"]["photos"] == 0


def test_upload_in_parts_is_resumed(album: AlbumClient, services: Services) -> None:
    data = photo_bytes(1) + b"\0" * (17 * 2**20)
    body = {"filename": "big.jpg", "contentType": "image/jpeg", "size": len(data)}
    started = album.post("/uploads", body, expect=201)
    uid, size, parts = started["uploadId"], started["partSize"], started["parts"]
    assert parts == -(-len(data) // size)

    def send(number: int) -> None:
        (part,) = album.post(f"/uploads/{uid}/parts", {"numbers": [number]})["parts"]
        chunk = data[(number - 1) * size : number * size]
        assert part["size"] == len(chunk)
        answer = album.http.put(local_path(part["url"]), content=chunk, headers=part["headers"])
        assert answer.status_code == 200, answer.text

    send(2)
    answer = album.http.post(f"/albums/{album.id}/uploads/{uid}/complete", headers=album.headers)
    assert answer.status_code == 409 and answer.json()["missing"] == [1, 3]
    assert [part["number"] for part in album.get(f"/uploads/{uid}/parts")["parts"]] == [2]
    assert [upload["uploadId"] for upload in album.get("/uploads")["uploads"]] == [uid]
    send(1)
    send(3)
    assert album.post(f"/uploads/{uid}/complete")["status"] == "pending"
    assert album.post(f"/uploads/{uid}/complete")["status"] == "pending"
    assert album.get("/uploads")["uploads"] == []
    album.process()
    assert album.photos()["big.jpg"]["status"] == "done"
    photo = services.photos.get(Photo.key_of(album.id, uid))
    assert photo is not None and services.objects.get(photo.object_key) == data


def test_uploads_in_parts_are_found_among_many_photos(
    album: AlbumClient, services: Services
) -> None:
    body = {"filename": "big.jpg", "contentType": "image/jpeg", "size": 17 * 2**20}
    first = album.post("/uploads", body, expect=201)["uploadId"]
    one = album.announce("a.jpg", photo_bytes(1))["photoId"]
    photo = services.photos.get(Photo.key_of(album.id, one))
    assert photo is not None
    many = [photo.model_copy(update={"id": new_id(), "created_at": now()}) for _ in range(1000)]
    services.table.write_many([services.photos.put(copy) for copy in many])
    assert [upload["uploadId"] for upload in album.get("/uploads")["uploads"]] == [first]
    second = album.post("/uploads", body, expect=201)["uploadId"]
    page = album.get("/uploads", limit=1)
    assert [upload["uploadId"] for upload in page["uploads"]] == [second]
    page = album.get("/uploads", limit=1, cursor=page["cursor"])
    assert [upload["uploadId"] for upload in page["uploads"]] == [first]
    assert album.get("/uploads")["cursor"] is None
    wrong = album.http.get(f"/albums/{album.id}/uploads?cursor=x", headers=album.headers)
    assert wrong.status_code == 400


def test_upload_is_given_up(album: AlbumClient, services: Services) -> None:
    body = {"filename": "big.jpg", "contentType": "image/jpeg", "size": 17 * 2**20}
    uid = album.post("/uploads", body, expect=201)["uploadId"]
    path = f"/albums/{album.id}/uploads/{uid}"
    assert album.http.delete(path, headers=album.headers).status_code == 204
    assert album.http.delete(path, headers=album.headers).status_code == 404
    assert services.photos.get(Photo.key_of(album.id, uid)) is None


def test_failed_photo_is_tried_again(album: AlbumClient, services: Services) -> None:
    photo_id = album.upload("late.jpg", photo_bytes(1))
    photo = services.photos.get(Photo.key_of(album.id, photo_id))
    assert photo is not None
    data = services.objects.get(photo.object_key)
    services.objects.delete([photo.object_key])
    assert album.process()["counts"]["failed"] == 1
    assert "gone" in album.photos()["late.jpg"]["error"]
    services.objects.put(photo.object_key, data, "image/jpeg")
    album.post("/photos/retry")
    status = album.wait()
    assert status["counts"]["failed"] == 0 and status["counts"]["faces"] == 1
    path = f"/photos/{photo_id}/retry"
    assert album.http.post(path, headers=album.headers).status_code == 409


def test_lists_are_paged_and_filtered(album: AlbumClient) -> None:
    for number in range(5):
        album.upload(f"{number}.jpg", photo_bytes(number, color=120 * (number % 2)))
    album.process()
    page = album.get("/photos", limit=2)
    assert [photo["filename"] for photo in page["photos"]] == ["0.jpg", "1.jpg"]
    page = album.get("/photos", limit=2, cursor=page["cursor"])
    assert [photo["filename"] for photo in page["photos"]] == ["2.jpg", "3.jpg"]
    newest = album.get("/photos", limit=2, order="newest")["photos"]
    assert [photo["filename"] for photo in newest] == ["4.jpg", "3.jpg"]
    person = album.photos()["1.jpg"]["faces"][0]["cluster"]
    assert set(album.photos(cluster=person, limit=1)) == {"1.jpg", "3.jpg"}
    answer = album.http.get(
        f"/albums/{album.id}/photos", headers=album.headers, params={"cursor": "damaged"}
    )
    assert answer.status_code == 400


def test_two_calls_start_one_job(album: AlbumClient) -> None:
    for number in range(6):
        album.upload(f"{number}.jpg", photo_bytes(number))
    jobs = {album.post("/process")["jobId"] for _ in range(3)}
    album.wait()
    assert len(jobs) <= 2  # the second begins only if the first has ended
    assert album.get("/status")["counts"]["faces"] == 6
    assert {job["state"] for job in album.get("/jobs")["jobs"]} == {"done"}


def test_others_see_nothing(
    album: AlbumClient, client: TestClient, sign_in: Callable[[str], Headers]
) -> None:
    photo = album.upload("a.jpg", photo_bytes(1))
    album.process()
    mallory = sign_in("mallory")
    base = f"/albums/{album.id}"
    routes = [
        ("GET", base),
        ("PATCH", base),
        ("DELETE", base),
        ("POST", f"{base}/process"),
        ("GET", f"{base}/status"),
        ("GET", f"{base}/photos"),
        ("POST", f"{base}/photos/retry"),
        ("POST", f"{base}/photos/{photo}/complete"),
        ("GET", f"{base}/uploads"),
        ("GET", f"{base}/duplicates"),
        ("POST", f"{base}/duplicates/{photo}/keep"),
        ("POST", f"{base}/duplicates/{photo}/separate"),
        ("GET", f"{base}/jobs"),
        ("GET", f"/photos/{photo}"),
        ("GET", f"/photos/{photo}/original"),
        ("POST", f"/photos/{photo}/retry"),
        ("DELETE", f"/photos/{photo}"),
    ]
    for method, path in routes:
        body = {} if method == "PATCH" else None
        other = client.request(method, path, headers=mallory, json=body)
        assert other.status_code == 404, (method, path)
        nobody = client.request(method, path, json=body)
        assert nobody.status_code == 401, (method, path)
    assert client.get("/albums", headers=mallory).json()["albums"] == []


def test_events(album: AlbumClient) -> None:
    token = album.headers["Authorization"].removeprefix("Bearer ")
    album.upload("a.jpg", photo_bytes(1))
    with album.http.websocket_connect(f"/events?album={album.id}&token={token}") as socket:
        album.post("/process")
        seen = []
        while not seen or seen[-1]["data"].get("state") != "done":
            seen.append(socket.receive_json())
    assert {event["kind"] for event in seen} >= {"job", "photos", "people"}
    with album.http.websocket_connect(f"/events?album={album.id}&token={token}") as socket:
        assert socket.receive_json()["data"]["state"] == "done"


@pytest.mark.parametrize(("token", "code"), [("", 4401), ("bad", 4401), (None, 4404)])
def test_events_are_refused(album: AlbumClient, token: str | None, code: int) -> None:
    own = album.headers["Authorization"].removeprefix("Bearer ")
    target = f"album={album.id}&token={token}" if token is not None else f"album=x&token={own}"
    with album.http.websocket_connect(f"/events?{target}") as socket:
        assert socket.receive()["code"] == code
