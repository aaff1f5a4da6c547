"""Building archives: hostile names, many photos in little memory, killed and begun anew."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import time
import tracemalloc
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from booth import Booth, jpeg

from api.domain.models import Job, JobKind, JobState
from api.domain.share_models import Archive, Share
from api.ids import new_id, now
from api.objects import keys
from api.objects.file_store import FileObjectStore
from api.services import Services
from api.sharing import zips
from api.sharing.archive import build_archive
from api.sharing.contents import keep_photos
from api.sharing.tokens import new_secret, new_share_id
from api.sharing.zips import Entry, PartWriter, PhotoZip, TooManyParts
from api.workflow.context import JobContext
from api.workflow.runner import LocalWorkflow

MOMENT = datetime.fromisoformat("2024-05-01T10:00:00")


def whole_album(booth: Booth, photo_ids: list[str]) -> Share:
    share = Share(
        id=new_share_id(),
        album_id=booth.album.id,
        user_id=booth.album.user_id,
        created_at=now(),
        email="bob@example.com",
        clusters=(),
        secret=new_secret(),
    )
    keep_photos(booth.services, share, photo_ids)
    booth.services.shares.create(share)
    return share


def build(services: Services, share: Share) -> bytes:
    context = JobContext(services, LocalWorkflow(services, {}), archive_job(services, share))
    build_archive(context)
    return services.objects.get(keys.archive(share.user_id, share.album_id, share.id))


def archive_job(services: Services, share: Share) -> Job:
    job = Job(
        id=new_id(),
        kind=JobKind.ARCHIVE,
        user_id=share.user_id,
        album_id=share.album_id,
        subject=share.id,
        state=JobState.RUNNING,
        created_at=now(),
        updated_at=now(),
    )
    services.jobs.create(job)
    return job


HOSTILE = [
    "../../etc/passwd",
    "/etc/shadow.jpg",
    "..\\..\\boot.ini",
    "CON.jpg",
    "same.jpg",
    "SAME.JPG",
    "sa\u0000me.jpg",
    "manifest.json",
    "SHA256SUMS",
    "\u202egnp.exe",
    "",
    "ü" * 400 + ".jpg",
    "line\nbreak.jpg",
]


def test_hostile_names_stay_in_the_folder(services: Services, tmp_path: Path) -> None:
    booth = Booth.open(services)
    photos = [booth.photo(filename=name, data=jpeg(k)) for k, name in enumerate(HOSTILE)]
    content = build(services, whole_album(booth, photos))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert len({name.casefold() for name in names}) == len(HOSTILE) + 2
        assert not any("/" in name or "\\" in name or ".." in name for name in names)
        archive.extractall(tmp_path / "out")
        found = json.loads(archive.read("manifest.json"))["files"]
        assert [file["photo"] for file in found] == photos
    assert len(list((tmp_path / "out").iterdir())) == len(HOSTILE) + 2
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    subprocess.run(check, cwd=tmp_path / "out", check=True, capture_output=True)


def test_shared_photos_lose_metadata_unless_asked(services: Services) -> None:
    booth = Booth.open(services)
    data = jpeg(3, comment=b"SECRET")
    photo = booth.photo(data=data)
    clean = whole_album(booth, [photo])
    assert b"SECRET" not in build(services, clean)
    kept = services.shares.update(whole_album(booth, [photo]), keep_metadata=True)
    with zipfile.ZipFile(io.BytesIO(build(services, kept))) as archive:
        assert archive.read("photo.jpg") == data


def test_damaged_and_purged_photos(services: Services) -> None:
    booth = Booth.open(services)
    good = booth.photo(filename="good.jpg")
    broken = booth.photo(filename="broken.jpg", data=b"no image")
    purged = booth.photo(filename="purged.jpg", original_purged=True)
    with zipfile.ZipFile(
        io.BytesIO(build(services, whole_album(booth, [good, broken, purged])))
    ) as z:
        manifest = json.loads(z.read("manifest.json"))
        assert [(f["photo"], f["full"]) for f in manifest["files"]] == [
            (good, True),
            (purged, False),
        ]
        assert [missing["photo"] for missing in manifest["omitted"]] == [broken]
        assert "not an image" in manifest["omitted"][0]["reason"]


def test_building_again_changes_nothing(services: Services) -> None:
    booth = Booth.open(services)
    share = whole_album(booth, [booth.photo(data=jpeg(k)) for k in range(5)])
    first = build(services, share)
    services.archives.delete([Archive.key_of(share.album_id, share.id)])
    time.sleep(2.1)  # ZIP's clock has steps of two seconds
    assert build(services, share) == first


def test_revoked_while_it_is_built(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    booth = Booth.open(services)
    share = whole_album(booth, [booth.photo(), booth.photo()])
    finish = PartWriter.finish

    def revoke_first(writer: PartWriter) -> None:
        finish(writer)
        services.shares.update(share, revoked=True)

    monkeypatch.setattr(PartWriter, "finish", revoke_first)
    with pytest.raises(Exception, match="no object|share"):
        build(services, share)
    prefix = keys.archive(share.user_id, share.album_id, share.id)
    assert services.objects.head(prefix) is None
    assert services.archives.get(Archive.key_of(share.album_id, share.id)) is None


def test_many_photos_take_little_memory(tmp_path: Path) -> None:
    """Of 5,000 photos of 20 kB, 100 MB in all, no more is held than names and checksums."""
    store = FileObjectStore(tmp_path / "objects")
    upload = store.start_multipart("tenant/a.zip", "application/zip")
    writer = PartWriter(store, "tenant/a.zip", upload, 8 * 2**20)
    folder = tmp_path / "work"
    folder.mkdir()
    archive = PhotoZip(writer.write, folder, "s")
    data = os.urandom(20_000)

    def add(first: int, last: int) -> None:
        for k in range(first, last):
            archive.add(Entry(f"p{k}", f"IMG_{k:06d}.jpg", data, full=True, moment=MOMENT))

    add(0, 500)
    tracemalloc.start()
    try:
        add(500, 5500)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / 5000 < 2000, "bytes for each photo that is done"
    assert peak - held < 2**20, "bytes for the photo at hand"
    archive.finish({})
    writer.finish()
    writer.close()
    with zipfile.ZipFile(tmp_path / "objects" / "objects" / "tenant" / "a.zip") as found:
        assert len(found.namelist()) == 5502
        assert found.read("IMG_005499.jpg") == data


def test_more_files_than_plain_zip_can_count(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    folder = tmp_path / "work"
    folder.mkdir()
    with path.open("wb") as file:
        archive = PhotoZip(lambda piece: file.write(piece) and None, folder, "s")
        for k in range(66_000):
            archive.add(Entry(str(k), f"{k}.jpg", b"x", full=True, moment=MOMENT))
        archive.finish({})
    with zipfile.ZipFile(path) as found:
        assert len(found.namelist()) == 66_002
        assert found.read("65999.jpg") == b"x"


def test_parts_grow_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "_PARTS_OF_A_SIZE", 20)
    monkeypatch.setattr(zips, "_MAX_PARTS", 30)
    store = FileObjectStore(tmp_path / "objects")
    upload = store.start_multipart("tenant/a.zip", "application/zip")
    writer = PartWriter(store, "tenant/a.zip", upload, 10)
    for _ in range(30):
        writer.write(b"0123456789")
    sizes = [part.size for part in store.list_parts("tenant/a.zip", upload)]
    assert sizes == [10] * 20 + [20] * 5
    writer.finish()
    assert writer.sha256 == hashlib.sha256(b"0123456789" * 30).hexdigest()
    assert store.get("tenant/a.zip") == b"0123456789" * 30
    upload = store.start_multipart("tenant/b.zip", "application/zip")
    with pytest.raises(TooManyParts):
        PartWriter(store, "tenant/b.zip", upload, 10).write(b"x" * (20 * 10 + 10 * 20 + 31))
