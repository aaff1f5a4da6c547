"""Re-embedding killed with SIGKILL before each of its writes, and taken up by another process.

Run as ``python -m tests.api.ingestion.reembed_points FOLDER``: prints a JSON report. A process of
its own, for the reason that `kill_points` gives.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from api.domain import edits, uploads
from api.domain.albums import create
from api.domain.ledger import people_of
from api.domain.models import Album, JobKind, JobState
from api.handlers import job_handlers
from api.home import open_services
from api.reembed import reembed_albums
from api.workflow.reembedding import start_stale
from api.workflow.runner import LocalWorkflow
from tests.api.conftest import CardEngine
from tests.api.groups import groups_of
from tests.api.ingestion.conftest import photo_bytes
from tests.api.ingestion.kill_points import OPTIONS, USER, Writes, close, deadly, settings

COLORS = [0, 100, 0, 100, 200, 0]
"""Who is in each photo."""


class OtherEngine(CardEngine):
    """Finds what `CardEngine` finds, and makes vectors of another space."""

    contract_id = "other-cards"

    def embed(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        vectors, trust = super().embed(crops)
        return vectors[:, ::-1].copy(), trust


def template(folder: Path) -> str:
    """An album without originals, grouped by `CardEngine`, in which people have decided."""
    services = open_services(settings(folder), CardEngine())
    album = create(services, USER, "Killed", keep_originals=False, linked=False)
    for number, color in enumerate(COLORS):
        data = photo_bytes(number, color=color)
        announcement = uploads.Announcement(f"{number}.jpg", "image/jpeg", len(data))
        photo = uploads.announce(services, album, announcement, multipart=False)
        services.objects.put(photo.object_key, data, photo.content_type)
        uploads.settle(services, photo)
    workflow = LocalWorkflow(services, job_handlers(), OPTIONS)
    workflow.start(JobKind.INGEST, USER, album.id)
    workflow.resume()
    if not workflow.idle(60):
        raise SystemExit("not ingested")
    workflow.stop()
    people = people_of(services, album)
    first = people.persons[int(people.cluster[0])].id
    edits.label(services, album, first, "Anna")
    close(services)
    return album.id


def work(folder: Path, deadly_at: int, log: Path) -> None:
    """Re-embed to the end, or to the n-th write."""
    writes = Writes(deadly_at)
    plain = open_services(settings(folder), OtherEngine())
    services = deadly(plain, writes)
    workflow = LocalWorkflow(services, job_handlers(), OPTIONS)
    workflow.resume()
    (job,) = start_stale(services, workflow)
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found = workflow.status(job.album_id, job.id)
        if found is not None and found.state is not JobState.RUNNING:
            log.write_text(json.dumps([writes.count, found.state]))
            workflow.stop()
            close(plain)
            os._exit(0)
        time.sleep(0.005)
    os._exit(3)


def fork(folder: Path, deadly_at: int) -> tuple[int, Any]:
    """Work in a child: its wait status; its writes and the job's state if it came to its end."""
    log = folder / "log.json"
    log.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            work(folder, deadly_at, log)
        finally:
            os._exit(4)
    _, status = os.waitpid(pid, 0)
    return status, json.loads(log.read_text()) if log.exists() else None


def result(folder: Path, album_id: str) -> dict[str, Any]:
    """Everything that counts of the album."""
    services = open_services(settings(folder), OtherEngine())
    album = services.albums.get(Album.key_of(USER, album_id))
    assert album is not None
    people = people_of(services, album)
    groups = groups_of(services, album)
    who = {face: cluster for cluster, faces in groups.items() for face in faces}
    rows = services.faces.all(f"ALBUM#{album_id}")
    found: dict[str, Any] = {"album": album.contract_id, "people": people.contract}
    found["faces"] = {face.id: [face.contract_id, who[face.id]] for face in rows}
    found["names"] = {row.id: row.label for row in services.clusters.all(f"ALBUM#{album_id}")}
    close(services)
    objects = folder / "objects"
    for path in sorted(objects.rglob("*")):
        name = str(path.relative_to(objects))
        counts = path.suffix == ".npy" or "/vectors/" in name
        if path.is_file() and counts and "/temporary/" not in f"/{name}":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main(folder: Path) -> None:
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

    # What is loaded once by the way is loaded now: whoever waits for it renews the lease meanwhile,
    # which are writes that no later run has.
    reembed_albums(settings(fresh()), every=True, engine=OtherEngine(), options=OPTIONS)
    data = fresh()
    status, log = fork(data, 0)
    if status != 0 or log is None:
        raise SystemExit(f"the undisturbed run failed: {status} {log}")
    writes, state = log
    expected = result(data, album_id)
    report: dict[str, Any] = {"writes": writes, "state": state, "different": {}, "killed": 0}
    report["expected"] = expected
    for point in range(2, writes + 1):
        data = fresh()
        status, _ = fork(data, point)
        if not os.WIFSIGNALED(status):
            continue  # threads order their writes a little differently each time
        report["killed"] += 1
        outcome = reembed_albums(settings(data), every=True, engine=OtherEngine(), options=OPTIONS)
        got = result(data, album_id)
        if got != expected or outcome.failed:
            keys = {k for k in got.keys() | expected.keys() if got.get(k) != expected.get(k)}
            report["different"][point] = {k: [got.get(k), expected.get(k)] for k in keys}
    print(json.dumps(report))  # noqa: T201 - its output


if __name__ == "__main__":
    main(Path(sys.argv[1]))
