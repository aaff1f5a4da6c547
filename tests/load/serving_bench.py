"""How many requests a second the inference servers answer, and how long the slowest wait.

``python -m tests.load.serving_bench --out docs/benchmarks-serving.md``: starts each server and a
naive one (`tests.load.naive_server`) as processes, sends both the same pictures over HTTP from
several connections at a time, by turns so that the machine's moods fall on both, and writes what
it measured. Pictures are of fictional people.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from faceflow_ml import FacePipeline, load_image
from faceflow_ml.benchmark.page import table
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.evaluation.reports import environment, now
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.images import IMAGE_SUFFIXES
from faceflow_ml.inference.types import ImageArray
from tests.serving.server import free_port

PHOTOS = 16
CONNECTIONS = {"embedding": (1, 8, 32), "detection": (1, 4, 16)}
_WARM_UP = 10


@dataclass
class Load:
    """What one server did under one load; a round is a number of requests."""

    seconds: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    requests: int = 0
    cpu_seconds: float = 0.0
    """That the server's process used: what is left of a comparison on a busy machine."""

    @property
    def cpu(self) -> float:
        """Milliseconds of a core for one request."""
        return self.cpu_seconds * 1000 / self.requests

    @property
    def rate(self) -> float:
        """Requests a second, over all rounds."""
        return self.requests / sum(self.seconds)

    def percentile(self, percent: float) -> float:
        """Of the time from the first byte sent to the last one received, in milliseconds."""
        return float(np.percentile(self.milliseconds, percent))


def pictures(folder: Path) -> dict[str, list[bytes]]:
    """JPEGs for each task: photos of 640 pixels, and the aligned faces in them."""
    write_album(folder, AlbumSpec(people=8, photos=PHOTOS, seed=3, width=640), force=True)
    files = sorted(p for p in folder.rglob("*") if p.suffix in IMAGE_SUFFIXES)
    photos = [load_image(file, max_side=640) for file in files]
    crops = np.concatenate(
        [found.crops for found in FacePipeline.from_pretrained().run_batch(photos)]
    )
    return {
        "detection": [_jpeg(photo) for photo in photos],
        "embedding": [_jpeg(crop) for crop in crops],
    }


def _jpeg(pixels: ImageArray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=92)
    return stream.getvalue()


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """That its process has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def server(*words: str) -> Iterator[Running]:
    """A server as a process. ``PORT`` in the words stands for its port."""
    port = free_port()
    command = [sys.executable, "-m", *(str(port) if word == "PORT" else word for word in words)]
    quiet = os.environ | {"FACEFLOW_SERVING_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=quiet)
    try:
        asyncio.run(_until_up(port, process))
        yield Running(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(60)


async def _until_up(port: int, process: subprocess.Popen[bytes]) -> None:
    request = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit(f"a server ended with {process.returncode}")
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            status = await _exchange(reader, writer, request)
            writer.close()
            if status == 200:
                return
        except OSError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit("a server did not start")


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> int:
    """Send a request and read its answer. By hand: a client library costs more than a server."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def _load(
    target: Running, images: Sequence[bytes], connections: int, count: int, into: Load
) -> None:
    requests = [
        b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(image), image)
        for image in images
    ]
    left = iter(range(count))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        for number in left:
            started = time.perf_counter()
            status = await _exchange(reader, writer, requests[number % len(requests)])
            if status != 200:
                raise SystemExit(f"a server answered {status}")
            into.milliseconds.append((time.perf_counter() - started) * 1000)
        writer.close()

    used, started = target.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    into.seconds.append(time.perf_counter() - started)
    into.cpu_seconds += target.cpu_seconds() - used
    into.requests += count


def measure(rounds: int, count: int) -> dict[tuple[str, int], tuple[Load, Load]]:
    """By task and number of connections: the naive server and ours."""
    found: dict[tuple[str, int], tuple[Load, Load]] = {}
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as work:
        images = pictures(Path(work) / "album")
    for task, loads in CONNECTIONS.items():
        with ExitStack() as stack:
            servers = [
                stack.enter_context(server("tests.load.naive_server", task, "PORT")),
                stack.enter_context(server("serving", task, "serve", "--port", "PORT")),
            ]
            for target in servers:
                asyncio.run(_load(target, images[task], 4, _WARM_UP, Load()))
            for connections in loads:
                pair = found[task, connections] = (Load(), Load())
                for number in range(rounds):
                    order = [0, 1] if number % 2 == 0 else [1, 0]
                    for which in order:
                        run = _load(servers[which], images[task], connections, count, pair[which])
                        asyncio.run(run)
    return found


def page(found: dict[tuple[str, int], tuple[Load, Load]], rounds: int, count: int) -> str:
    """The measurements in Markdown."""
    env = environment()
    rows = []
    for (task, connections), (naive, ours) in found.items():
        rows.append(
            (
                task,
                str(connections),
                *(f"{load.rate:.1f}" for load in (naive, ours)),
                f"{ours.rate / naive.rate:.2f}",
                *(f"{load.percentile(50):.0f}" for load in (naive, ours)),
                *(f"{load.percentile(99):.0f}" for load in (naive, ours)),
                *(f"{load.cpu:.1f}" for load in (naive, ours)),
            )
        )
    head = ["server", "connections", "naive req/s", "req/s", "ratio"]
    head += ["naive median ms", "median ms", "naive p99 ms", "p99 ms"]
    head += ["naive CPU ms/req", "CPU ms/req"]
    return "\n".join(
        [
            "# The inference servers, measured\n",
            "Written by `python -m tests.load.serving_bench --out docs/benchmarks-serving.md`; "
            "do not edit.\n",
            table(
                ("", ""),
                [
                    ("measured", now()),
                    ("commit", env.commit or "not a git checkout"),
                    ("processor", f"{env.cpu}, {env.cores} cores"),
                    (
                        "load average before and after",
                        f"{_LOAD_BEFORE:.1f}, {os.getloadavg()[0]:.1f}",
                    ),
                    (
                        "software",
                        f"faceflow-ml {env.faceflow_ml}, Python {env.python}, {env.system}",
                    ),
                ],
            ),
            f"{rounds} rounds of {count} requests for each line, both servers by turns; the "
            "client runs on the same cores. One picture a request: an aligned face (embedding), a "
            "photo of 640 pixels (detection). The naive server decodes, runs and answers each "
            "request by itself, in Starlette's threads and with ONNX Runtime's own choice of "
            "threads. CPU is that of the server's process: unlike the times, it does not depend on "
            "what else the machine was doing.\n",
            table(head, rows),
        ]
    )


_LOAD_BEFORE = os.getloadavg()[0]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=100, help="of a round")
    parser.add_argument("--out", type=Path, help="document to write")
    options = parser.parse_args()
    found = measure(options.rounds, options.requests)
    text = page(found, options.rounds, options.requests)
    if options.out is not None:
        atomic_write_text(options.out, text)
    sys.stdout.write(text)
    ratios = {f"{task}-{n}": round(b.rate / a.rate, 3) for (task, n), (a, b) in found.items()}
    sys.stdout.write(json.dumps(ratios) + "\n")


if __name__ == "__main__":
    main()
