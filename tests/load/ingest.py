"""How fast the application takes photos in, against ``faceflow-ml group`` on the same photos."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image, ImageOps

from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.inference.images import IMAGE_SUFFIXES
from tests.load.application import application

WANTED = 0.7
_CONNECTIONS = 4
_PEOPLE = 30
_VIEWS = 4


@dataclass(frozen=True)
class Ingested:
    """Seconds that the same photos take in the command and in the application.

    group: the whole command, from a new process. end_to_end: from the first byte of the first
    upload to an album that is done, with everything grouped. cpu: processor seconds of the
    application in that time. peak_mib: its most memory.
    """

    photos: int
    width: int
    group: float
    end_to_end: float
    cpu: float
    peak_mib: float
    counts: dict[str, int]

    @property
    def ratio(self) -> float:
        """The application's rate as a part of the command's."""
        return self.group / self.end_to_end


def render(folder: Path, photos: int, width: int) -> list[Path]:
    """Photos of fictional people: scenes in four views each, since drawing scenes takes longest."""
    spec = AlbumSpec(people=_PEOPLE, photos=-(-photos // _VIEWS), seed=11, width=width * 4 // 3)
    scenes = folder.with_name(f"{folder.name}-scenes")
    write_album(scenes, spec, lambda *_: None, force=True)
    folder.mkdir(parents=True)
    files = sorted(path for path in scenes.rglob("*") if path.suffix in IMAGE_SUFFIXES)
    made: list[Path] = []
    for view in range(_VIEWS):
        for file in files[: photos - len(made)]:
            path = folder / f"{file.stem}-{view}.jpg"
            with Image.open(file) as scene:
                _view(ImageOps.exif_transpose(scene), view).convert("RGB").save(path, quality=90)
            made.append(path)
    return sorted(made)


def _view(scene: Image.Image, view: int) -> Image.Image:
    """Three quarters of a scene's width and height, from one corner or another, or mirrored."""
    width, height = scene.width * 3 // 4, scene.height * 3 // 4
    left = (scene.width - width) * (view % 2)
    top = (scene.height - height) * (view // 2)
    part = scene.crop((left, top, left + width, top + height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if view >= _VIEWS // 2 else part


def measure(folder: Path, files: Sequence[Path], width: int, work: Path) -> Ingested:
    """Group the photos of a folder with the command, then upload and process them."""
    command = [sys.executable, "-m", "faceflow_ml", "group", str(folder)]
    started = time.perf_counter()
    subprocess.run([*command, "--out", str(work / "command")], check=True, capture_output=True)
    group = time.perf_counter() - started
    with application(work / "data") as running:
        client = running.client
        album = client.post("/albums", json={"name": "Load"}).json()["id"]
        cpu, started = running.cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            sent = [pool.submit(upload, client, album, file) for file in files]
            # Processing begins with the first photos, as when a person uploads.
            for future in sent[:_CONNECTIONS]:
                future.result()
            client.post(f"/albums/{album}/process").raise_for_status()
            for future in sent:
                future.result()
        client.post(f"/albums/{album}/process").raise_for_status()
        status = wait(client, album)
        end_to_end = time.perf_counter() - started
        cpu = running.cpu_seconds() - cpu
        peak = running.peak_mib()
    if status["state"] != "done" or status["counts"]["failed"]:
        raise SystemExit(f"not all photos were taken in: {status}")
    return Ingested(len(files), width, group, end_to_end, cpu, peak, status["counts"])


def upload(client: httpx2.Client, album: str, file: Path, extra: bytes = b"") -> None:
    """Upload a photo; with ``extra`` bytes at its end it is one that the album has not seen."""
    data = file.read_bytes() + extra
    body = {"filename": file.name, "contentType": "image/jpeg", "size": len(data)}
    answer = client.post(f"/albums/{album}/uploadUrl", json=body)
    answer.raise_for_status()
    target = answer.json()
    client.put(target["url"], content=data, headers=target["headers"]).raise_for_status()


def wait(client: httpx2.Client, album: str) -> dict[str, Any]:
    """Wait until nothing is processed; the status then."""
    while True:
        answer = client.get(f"/albums/{album}/status")
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()
        if status["state"] != "processing":
            return status
        time.sleep(0.2)
