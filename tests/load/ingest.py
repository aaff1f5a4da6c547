"""How fast the application takes photos in, against ``faceflow-ml group`` on the same photos.

``python -m tests.load.ingest --photos 1000 --out docs/benchmarks-app.md``: renders an album of
fictional people (photos of 720 pixels), groups it with the command, then processes it with the
application as `make app` runs it, a process of its own that is asked over HTTP, and writes what it
measured into the document, between marks of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from faceflow_ml.album.group import group_album
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.images import IMAGE_SUFFIXES
from faceflow_ml.inference.pipeline import FacePipeline

WANTED = 0.7
_BEGIN, _END = "<!-- ingest: begin -->", "<!-- ingest: end -->"


@dataclass(frozen=True)
class Measured:
    """Seconds that the same photos take in the command and in the application."""

    photos: int
    width: int
    group_command: float
    group_warm: float
    upload: float
    process: float
    peak_mib: float | None
    status: dict[str, Any]

    @property
    def ratio(self) -> float:
        """The application's rate as a part of the command's, end to end, started as users do."""
        return self.group_command / self.process


def measure(photos: int, width: int, people: int) -> Measured:
    """Render, group, upload, process."""
    with tempfile.TemporaryDirectory(prefix="faceflow-load-") as work:
        root = Path(work)
        spec = AlbumSpec(people=people, photos=photos, seed=11, width=width)
        write_album(root / "photos", spec, lambda *_: None, force=True)
        files = sorted(p for p in (root / "photos").rglob("*") if p.suffix in IMAGE_SUFFIXES)
        command = [sys.executable, "-m", "faceflow_ml", "group", str(root / "photos")]
        started = time.perf_counter()
        subprocess.run([*command, "--out", str(root / "command")], check=True, capture_output=True)
        group_command = time.perf_counter() - started
        engine = FacePipeline.from_pretrained(threads=1)
        started = time.perf_counter()
        group_album(root / "photos", root / "warm", engine)
        group_warm = time.perf_counter() - started
        with _application(root / "data") as (client, pid):
            headers = _sign_in(client)
            album = client.post("/albums", headers=headers, json={"name": "Load"}).json()["id"]
            started = time.perf_counter()
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda file: _upload(client, headers, album, file), files))
            upload = time.perf_counter() - started
            started = time.perf_counter()
            client.post(f"/albums/{album}/process", headers=headers).raise_for_status()
            status = _wait(client, headers, album)
            process = time.perf_counter() - started
            peak = _peak_mib(pid)
    return Measured(len(files), width, group_command, group_warm, upload, process, peak, status)


@contextmanager
def _application(data: Path) -> Iterator[tuple[httpx2.Client, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The limits are for people; this is one client that does the work of a thousand.
    environment = os.environ | {"FACEFLOW_RATE_PER_USER": "100000"}
    environment |= {"FACEFLOW_RATE_PER_ADDRESS": "100000", "FACEFLOW_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "--port", str(port), "--data", str(data)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _until_up(client, process)
            yield client, process.pid
    finally:
        process.terminate()
        process.wait(60)


def _until_up(client: httpx2.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"the application ended with {process.returncode}")
        try:
            if client.get("/healthz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise SystemExit("the application did not start")


def _sign_in(client: httpx2.Client) -> dict[str, str]:
    token = client.post("/auth/dev-token", json={"user": "load"}).json()["token"]
    return {"Authorization": f"Bearer {token}"}


def _upload(client: httpx2.Client, headers: dict[str, str], album: str, file: Path) -> None:
    data = file.read_bytes()
    body = {"filename": file.name, "contentType": "image/jpeg", "size": len(data)}
    answer = client.post(f"/albums/{album}/uploadUrl", headers=headers, json=body)
    answer.raise_for_status()
    target = answer.json()
    client.put(target["url"], content=data, headers=target["headers"]).raise_for_status()


def _wait(client: httpx2.Client, headers: dict[str, str], album: str) -> dict[str, Any]:
    while True:
        answer = client.get(f"/albums/{album}/status", headers=headers)
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()
        if status["state"] != "processing":
            return status
        time.sleep(0.1)


def _peak_mib(pid: int) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    peak = next((line for line in lines if line.startswith("VmHWM:")), None)
    return None if peak is None else round(int(peak.split()[1]) / 1024, 1)


def report(found: Measured) -> str:
    """The measurements as a section in Markdown."""
    n = found.photos
    counts = found.status["counts"]
    rows = [
        ("`faceflow-ml group`, the whole command", found.group_command),
        ("the same, libraries and models loaded", found.group_warm),
        ("upload over HTTP, four at a time", found.upload),
        ("ingestion, from `process` to `done`", found.process),
    ]
    lines = [
        _BEGIN,
        "## Ingestion",
        "",
        f"{n} photos of {found.width} px, {counts['faces']} faces, {counts['clusters']} people; "
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}. "
        "Written by `python -m tests.load.ingest`.",
        "",
        "| | photos/s | seconds |",
        "|---|---:|---:|",
        *(f"| {name} | {n / seconds:.1f} | {seconds:.1f} |" for name, seconds in rows),
        "",
        f"Ingestion runs at {found.ratio:.0%} of the command's rate; at least {WANTED:.0%} is "
        f"wanted: **{'yes' if found.ratio >= WANTED else 'no'}**. Peak memory of the application: "
        f"{found.peak_mib} MiB.",
        _END,
    ]
    return "\n".join(lines)


def into_document(text: str, section: str) -> str:
    """The document with the section in place of the one that it has, or at its end."""
    if _BEGIN in text and _END in text:
        before, rest = text.split(_BEGIN, 1)
        return before + section + rest.split(_END, 1)[1]
    return f"{text.rstrip()}\n\n{section}\n" if text.strip() else f"{section}\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--width", type=int, default=720)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--out", type=Path, help="document to write the section into")
    options = parser.parse_args()
    found = measure(options.photos, options.width, options.people)
    section = report(found)
    if options.out is not None:
        old = options.out.read_text() if options.out.exists() else "# The application, measured\n"
        atomic_write_text(options.out, into_document(old, section))
    sys.stdout.write(section + "\n" + json.dumps({"ratio": round(found.ratio, 3)}) + "\n")
    if found.ratio < WANTED or found.status["state"] != "done":
        raise SystemExit(1)


if __name__ == "__main__":
    main()
