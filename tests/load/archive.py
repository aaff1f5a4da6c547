"""The archive of a large share, built, downloaded and checked, and the application's memory
meanwhile: ``python -m tests.load.archive --out docs/benchmarks-archive.md``, or
`make bench-archive`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from api.domain.models import Photo
from api.home import open_services
from api.objects.store import NewObject
from api.repositories.sqlite_table import SqliteTable
from api.settings import Settings
from api.sharing.zips import MANIFEST, SUMS
from faceflow_ml.files import atomic_write_text
from tests.load.application import USER, Running, application
from tests.load.pages import origin, verdict
from tests.load.seed import seed

_PHOTOS = 50_000
_PEOPLE = 500
_PIXELS = (640, 480)
_BATCH = 500
_GROWTH_MIB = 64
_GPS = 0x8825


@dataclass(frozen=True)
class Archived:
    """What an archive took.

    size: of the archive, in bytes.
    build, download: seconds.
    before_mib, peak_mib: the application's memory before, and the most while it was built and
        downloaded.
    faults: what is wrong with the archive.
    """

    photos: int
    size: int
    build: float
    download: float
    before_mib: float
    peak_mib: float
    faults: tuple[str, ...]

    @property
    def bounded(self) -> bool:
        """Whether memory stayed within a few parts of an upload and a photo at hand."""
        return self.peak_mib - self.before_mib <= _GROWTH_MIB


def main() -> None:
    """Measure and write; exit status 1 if the archive is wrong or memory is not bounded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="document to write; without one, stdout")
    parser.add_argument(
        "--photos", type=int, default=_PHOTOS, help="in the share; 300 kB of disk each"
    )
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as folder:
        archived = measure(Path(folder), options.photos)
    document = report(archived, busy)
    if options.out is None:
        sys.stdout.write(document)
    else:
        atomic_write_text(options.out, document)
    if archived.faults or not archived.bounded:
        raise SystemExit(1)


def measure(work: Path, photos: int) -> Archived:
    """Share an album of so many photos with somebody who takes them all."""
    album_id = _album(work / "album", photos)
    with application(work / "album") as running, httpx2.Client(base_url=running.address) as guest:
        base = f"/shares/{_share(running, album_id)}"
        guest.get(base).raise_for_status()
        before = running.rss_mib()
        with _watched(running) as memory:
            started = time.perf_counter()
            status = _built(guest, base)
            build = time.perf_counter() - started
            path = work / "archive.zip"
            started = time.perf_counter()
            _download(guest, f"{base}/archive", path)
            download = time.perf_counter() - started
    return Archived(
        photos=photos,
        size=path.stat().st_size,
        build=build,
        download=download,
        before_mib=before,
        peak_mib=max(memory),
        faults=tuple(check(path, photos, status["sha256"])),
    )


def check(path: Path, photos: int, sha256: str) -> list[str]:
    """Every file against the checksums, and no photo with its place; what is wrong."""
    with path.open("rb") as file:
        faults = [] if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else ["its sum"]
    with zipfile.ZipFile(path) as found:
        lines = found.read(SUMS).decode().splitlines()
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        names = set(found.namelist()) - {SUMS, MANIFEST}
        if names != set(sums):
            faults.append("names and checksums differ")
        if len(names) != photos:
            faults.append(f"{len(names)} photos instead of {photos}")
        for name in sorted(names & set(sums)):
            data = found.read(name)
            if hashlib.sha256(data).hexdigest() != sums[name]:
                faults.append(f"{name} differs from its checksum")
            if _GPS in Image.open(io.BytesIO(data)).getexif():
                faults.append(f"{name} says where it was taken")
    return faults


def report(archived: Archived, busy: float) -> str:
    """The document; ``busy``: the machine's load before."""
    grown = archived.peak_mib - archived.before_mib
    lines = [
        "# An archive of many photos, measured",
        "",
        origin("make bench-archive", busy),
        "",
        f"A share of an album of {archived.photos:,} photos in full size, as a ZIP of "
        f"{archived.size / 2**30:.2f} GiB: asked for, built and downloaded over HTTP, and every "
        "file compared with the checksums in it. One process is API and worker.",
        "",
        "| | wanted | measured | |",
        "|---|---|---:|---|",
        f"| all {archived.photos:,} in it, whole, none with its place | no fault | "
        f"{len(archived.faults)} faults | {verdict(not archived.faults)} |",
        f"| memory | at most {_GROWTH_MIB} MiB more than before | {grown:+.0f} MiB, "
        f"{archived.peak_mib:.0f} at most | {verdict(archived.bounded)} |",
        f"| photos a second, built | | {archived.photos / archived.build:.0f} | |",
        f"| MiB a second, downloaded | | {archived.size / 2**20 / archived.download:.0f} | |",
        "",
        *(f"- {fault}" for fault in archived.faults[:10]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _album(data: Path, photos: int) -> str:
    """An album of so many photos, each with an original of its own that says its place; its id."""
    services = open_services(Settings(data=data))
    try:
        seeded = seed(services, photos=photos, people=_PEOPLE, user=USER, thumbnails=1)
        found = services.photos.all(f"ALBUM#{seeded.album_id}")
        picture = _picture()
        while batch := list(islice(found, _BATCH)):
            services.objects.put_many([_original(photo, picture) for photo in batch])
        return seeded.album_id
    finally:
        assert isinstance(services.table, SqliteTable)
        services.table.close()


def _picture() -> bytes:
    """A JPEG with a place."""
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    exif = Image.Exif()
    exif[_GPS] = {1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (16.0, 22.0, 0.0)}
    out = io.BytesIO()
    Image.fromarray(pixels).resize(_PIXELS).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


def _original(photo: Photo, picture: bytes) -> NewObject:
    """The picture with a comment that no other has."""
    name = photo.id.encode()
    comment = b"\xff\xfe" + (len(name) + 2).to_bytes(2, "big") + name
    assert photo.object_key is not None
    return NewObject(photo.object_key, picture[:2] + comment + picture[2:], "image/jpeg")


def _share(running: Running, album_id: str) -> str:
    """Id of a share of the whole album."""
    answer = running.client.post(
        f"/albums/{album_id}/share",
        json={
            "recipients": [{"email": "bob@example.com", "clusters": []}],
            "filters": {"onlyAppearing": False, "noDuplicates": False},
            "sendMail": False,
        },
    )
    answer.raise_for_status()
    return str(answer.json()["shares"][0]["id"])


@contextmanager
def _watched(running: Running) -> Iterator[list[float]]:
    """The application's memory in MiB, twice a second until the end."""
    memory = [running.rss_mib()]
    ended = Event()

    def watch() -> None:
        while not ended.wait(0.5):
            memory.append(running.rss_mib())

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        ended.set()
        watcher.join()


def _built(guest: httpx2.Client, base: str) -> dict[str, Any]:
    """Ask for the archive and wait for it."""
    guest.post(f"{base}/archive").raise_for_status()
    while True:
        answer = guest.get(f"{base}/archive/status")
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()
        if status["state"] == "ready":
            return status
        if status["state"] == "failed":
            raise SystemExit(f"the archive failed: {status['error']}")
        time.sleep(0.5)


def _download(guest: httpx2.Client, url: str, path: Path) -> None:
    with path.open("wb") as file, guest.stream("GET", url, follow_redirects=True) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            file.write(piece)


if __name__ == "__main__":
    main()
