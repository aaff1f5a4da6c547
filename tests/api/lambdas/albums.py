"""One album on both homes: photos that wait, copied row by row, and what became of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from api.domain import albums, uploads
from api.domain.models import Album, JobKind, JobState
from api.handlers import job_handlers
from api.home import open_local_services
from api.repositories.table import Item, Key, Put
from api.services import Services
from api.settings import Settings
from api.workflow.runner import LocalWorkflow
from tests.api.conftest import CardEngine
from tests.api.groups import groups_of
from tests.api.ingestion.conftest import photo_bytes

USER = "alice"
KEPT = ("PHOTO", "FACE", "SHA", "DUPLICATE", "PAIR", "COUNTS")
LEFT_OVER = ("DETECTION", "FRESH", "REMOVED")


def contents() -> list[bytes]:
    """Three people; an exact copy, a near-duplicate, one that cannot be read, a PNG."""
    first = photo_bytes(1, (640, 480))
    return [
        first,
        photo_bytes(2, color=100),
        first,
        photo_bytes(1, (320, 240), quality=60),
        photo_bytes(3)[:900],
        *(photo_bytes(seed, color=90 * (seed % 3)) for seed in range(4, 8)),
        photo_bytes(20, format="PNG"),
    ]


def local(folder: Path, engine: Any = None) -> Services:
    """One machine."""
    settings = Settings(data=folder, web=folder / "none", workers=1)
    return open_local_services(settings, engine or CardEngine())


def announce(services: Services, data: list[bytes], **options: bool) -> tuple[Album, list[str]]:
    """An album of announced photos, and the keys that their bytes are for."""
    given = {"keep_originals": True, "linked": False} | options
    album = albums.create(services, USER, "Summer", **given)
    keys = []
    for number, content in enumerate(data):
        announcement = uploads.Announcement(f"{number}.jpg", "image/jpeg", len(content))
        photo = uploads.announce(services, album, announcement, multipart=False)
        keys.append(photo.object_key)
    return album, keys


def copy_rows(source: Services, target: Services, album: Album) -> None:
    """The rows of the user and the album, with their ids."""
    for pk in (f"USER#{album.user_id}", f"ALBUM#{album.id}"):
        target.table.write_many([Put(key, item) for key, item in _rows(source, pk)])


def _rows(services: Services, pk: str) -> list[tuple[Key, Item]]:
    keys = [Key(pk, sk) for sk in services.table.sort_keys(pk)]
    items = services.table.get_many(keys)
    return [(key, item) for key, item in zip(keys, items, strict=True) if item is not None]


def ingest(services: Services, album: Album) -> None:
    """Take the photos in on one machine."""
    workflow = LocalWorkflow(services, job_handlers())
    workflow.resume()
    try:
        job = workflow.start(JobKind.INGEST, album.user_id, album.id)
        while job.state is JobState.RUNNING:
            found = workflow.status(album.id, job.id)
            assert found is not None
            job = found
        assert job.state is JobState.DONE, job
    finally:
        workflow.stop()


def result(services: Services, album: Album) -> dict[str, Any]:
    """Everything that counts of the album, but for names that are given by chance."""
    found: dict[str, Any] = {}
    for key, item in _rows(services, f"ALBUM#{album.id}"):
        kind, row = key.sk.partition("#")[0], dict(item)
        if kind in KEPT:
            found[key.sk] = row
        elif kind in LEFT_OVER:
            found[key.sk] = "left over"
        elif kind == "PHASHES":
            found["hashes"] = sorted(map(list, zip(row["photoIds"], row["hashes"], strict=True)))
    found["groups"] = sorted(map(sorted, groups_of(services, album).values()))
    for info in services.objects.list_objects(f"tenant/{album.user_id}/{album.id}/"):
        if "/people/" not in info.key:
            found[info.key] = hashlib.sha256(services.objects.get(info.key)).hexdigest()
    return dict(json.loads(json.dumps(found)))
