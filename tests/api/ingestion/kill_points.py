"""Ingestion killed with SIGKILL before each of its writes, and taken up by another process.

Run as ``python -m tests.api.ingestion.kill_points FOLDER SHARE SHARES``: prints a JSON report of
every SHARES-th kill. A process of its own, since it forks for each, which must not happen beside a
test runner's threads.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from api.domain import albums, uploads
from api.domain.models import Album, JobKind, JobState
from api.handlers import job_handlers
from api.home import open_services
from api.services import Services
from api.settings import Settings
from api.workflow.context import RunOptions
from api.workflow.runner import LocalWorkflow
from tests.api.conftest import CardEngine
from tests.api.groups import groups_of
from tests.api.ingestion.conftest import photo_bytes

USER = "alice"
OPTIONS = RunOptions(lease_seconds=0.2, backoff_seconds=0.05, progress_seconds=3600)
_WRITES = {
    *("write", "transact", "write_many", "delete_partition"),
    *("put", "put_file", "put_many", "delete", "delete_prefix"),
    *("start_multipart", "put_part", "complete_multipart", "abort_multipart"),
}


class Writes:
    """Counts writes, and kills the process before the n-th; 0: never."""

    def __init__(self, deadly_at: int) -> None:
        self._deadly_at = deadly_at
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self._deadly_at:
            os.kill(os.getpid(), signal.SIGKILL)


def deadly(services: Services, writes: Writes) -> Services:
    """The same services, whose writes are counted."""
    table, objects = Deadly(services.table, writes), Deadly(services.objects, writes)
    return replace(services, table=table, objects=objects)  # type: ignore[arg-type]


class Deadly:
    """Passes everything on to a port, and kills the process before its n-th write."""

    def __init__(self, port: Any, tick: Callable[[], None]) -> None:
        self._port = port
        self._tick = tick

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if name not in _WRITES:
            return value

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._tick()
            return value(*args, **kwargs)

        return counted


def settings(folder: Path) -> Settings:
    return Settings(data=folder, web=folder / "none", workers=1)


def template(folder: Path) -> str:
    """An album that waits for ingestion: photos, an exact copy, a near-duplicate, a broken one."""
    services = open_services(settings(folder), CardEngine())
    album = albums.create(services, USER, "Killed", keep_originals=False, linked=False)
    first = photo_bytes(1, (640, 480))
    contents = [
        first,
        photo_bytes(2, color=100),
        first,
        photo_bytes(1, (320, 240), quality=60),
        photo_bytes(3)[:900],
        photo_bytes(4, color=100),
        photo_bytes(5, format="PNG"),
    ]
    for number, data in enumerate(contents):
        announcement = uploads.Announcement(f"{number}.jpg", "image/jpeg", len(data))
        photo = uploads.announce(services, album, announcement, multipart=False)
        services.objects.put(photo.object_key, data, photo.content_type)
        uploads.settle(services, photo)
    close(services)
    return album.id


def close(services: Services) -> None:
    services.table.close()  # type: ignore[attr-defined]


def work(folder: Path, album_id: str, *, begin: bool, deadly_at: int, log: Path) -> None:
    """Process the album to its end, or to the n-th write."""
    writes = Writes(deadly_at)
    plain = open_services(settings(folder), CardEngine())
    services = deadly(plain, writes)
    workflow = LocalWorkflow(services, job_handlers(), OPTIONS)
    if begin:
        workflow.start(JobKind.INGEST, USER, album_id)
    workflow.resume()
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        job = workflow.latest(JobKind.INGEST, album_id)
        if job is None or job.state is not JobState.RUNNING:
            log.write_text(json.dumps([writes.count, None if job is None else job.state]))
            workflow.stop()
            close(plain)
            os._exit(0)
        time.sleep(0.005)
    os._exit(3)


def fork(folder: Path, album_id: str, *, begin: bool, deadly_at: int = 0) -> tuple[int, Any]:
    """Work in a child: its wait status; its writes and the job's state if it came to its end."""
    log = folder / "log.json"
    log.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            work(folder, album_id, begin=begin, deadly_at=deadly_at, log=log)
        finally:
            os._exit(4)
    _, status = os.waitpid(pid, 0)
    return status, json.loads(log.read_text()) if log.exists() else None


def result(folder: Path, album_id: str) -> dict[str, Any]:
    """Everything that counts of the album, names given by chance left out."""
    connection = sqlite3.connect(folder / "faceflow.db")
    rows = connection.execute("SELECT sk, item FROM items WHERE pk = ?", (f"ALBUM#{album_id}",))
    found: dict[str, Any] = {}
    for sk, text in rows:
        item = json.loads(text)
        kind = sk.partition("#")[0]
        if kind in ("PHOTO", "FACE", "SHA", "DUPLICATE", "PAIR", "COUNTS"):
            found[sk] = item
        elif kind in ("DETECTION", "FRESH", "REMOVED"):
            found[sk] = "left over"
        elif kind == "PHASHES":
            found["hashes"] = sorted(zip(item["photoIds"], item["hashes"], strict=True))
    connection.close()
    services = open_services(settings(folder), CardEngine())
    album = services.albums.get(Album.key_of(USER, album_id))
    assert album is not None
    found["groups"] = sorted(map(sorted, groups_of(services, album).values()))
    close(services)
    objects = folder / "objects"
    for path in sorted(objects.rglob("*")):
        name = str(path.relative_to(objects))
        if path.is_file() and "/people/" not in name and "/temporary/" not in f"/{name}":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def main(folder: Path, share: int, shares: int) -> None:
    cv2.setNumThreads(1)
    source = folder / "source"
    pid = os.fork()  # SQLite and its threads stay in the child
    if pid == 0:
        (folder / "album").write_text(template(source))
        os._exit(0)
    os.waitpid(pid, 0)
    album_id = (folder / "album").read_text()

    def fresh() -> Path:
        data = folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(source, data)
        return data

    data = fresh()
    status, log = fork(data, album_id, begin=True)
    if status != 0 or log is None:
        raise SystemExit(f"the undisturbed run failed: {status} {log}")
    writes, state = log
    expected = result(data, album_id)
    report: dict[str, Any] = {"writes": writes, "state": state, "different": {}}
    report["photos"] = sorted(
        [item["status"], item.get("duplicateKind") or ""]
        for name, item in expected.items()
        if name.startswith("PHOTO#")
    )
    killed = 0
    # The first write starts the job: before it there is nothing to take up.
    for point in range(2 + share, writes + 1, shares):
        data = fresh()
        status, _ = fork(data, album_id, begin=True, deadly_at=point)
        if not os.WIFSIGNALED(status):
            continue  # threads order their writes a little differently each time
        killed += 1
        if killed % 4 == 0:
            fork(data, album_id, begin=False, deadly_at=point // 2)
        status, log = fork(data, album_id, begin=False)
        got = result(data, album_id)
        if got != expected or log is None or log[1] != state:
            keys = {k for k in got.keys() | expected.keys() if got.get(k) != expected.get(k)}
            report["different"][point] = {
                key: [got.get(key), expected.get(key)] for key in sorted(keys)[:3]
            } | {"end": [status, log]}
    report["killed"] = killed
    print(json.dumps(report))  # noqa: T201 - its output


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
