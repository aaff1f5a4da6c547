"""Two hundred visitors and one who uploads, by Locust, and the application's memory meanwhile."""

from __future__ import annotations

import csv
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.load import ingest
from tests.load.application import Running, application

_SAMPLE_SECONDS = 2.0
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")


@dataclass(frozen=True)
class Requests:
    """Of one name: how many, how many failed, milliseconds."""

    name: str
    count: int
    failures: int
    median: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Crowded:
    """What a crowd met.

    requests: by name; the last is of all together.
    per_second: requests of all.
    cores: processors that the application kept busy, on average.
    memory: (n, 2) seconds and MiB of the application's memory, since all visitors are there.
    """

    users: int
    minutes: float
    requests: tuple[Requests, ...]
    per_second: float
    cores: float
    memory: tuple[tuple[float, float], ...]

    @property
    def early_mib(self) -> float:
        """Median of the second quarter: caches are full by then."""
        return self._median(0.25, 0.5)

    @property
    def late_mib(self) -> float:
        """Median of the last quarter."""
        return self._median(0.75, 1.0)

    @property
    def growth(self) -> float:
        """From the second quarter to the last, as a part of it."""
        return self.late_mib / self.early_mib - 1.0

    def _median(self, start: float, end: float) -> float:
        n = len(self.memory)
        some = [mib for _, mib in self.memory[int(n * start) : max(int(n * end), 1)]]
        return float(np.median(some))


def measure(
    data: Path, album_id: str, photos: Path, *, users: int, minutes: float, work: Path
) -> Crowded:
    """Let them loose on an album for so many minutes; ``photos`` are what is uploaded."""
    with application(data) as running:
        # As it is after a while: the album read from the disk once, the models loaded.
        running.client.get(f"/albums/{album_id}/clusters", params={"limit": "1"})
        for file in sorted(photos.glob("*.jpg"))[:4]:
            ingest.upload(running.client, album_id, file, secrets.token_bytes(16))
        running.client.post(f"/albums/{album_id}/process").raise_for_status()
        ingest.wait(running.client, album_id)
        cpu, started = running.cpu_seconds(), time.perf_counter()
        ramp = max(1, min(users // 10, 20))
        memory = _run_locust(running, album_id, photos, users, ramp, minutes, work)
        seconds = time.perf_counter() - started
        cores = (running.cpu_seconds() - cpu) / seconds
    requests = tuple(_read(work / "locust_stats.csv"))
    settled = users / ramp
    return Crowded(
        users=users,
        minutes=minutes,
        requests=requests,
        per_second=requests[-1].count / seconds,
        cores=cores,
        memory=tuple(sample for sample in memory if sample[0] >= settled) or tuple(memory),
    )


def _run_locust(
    running: Running,
    album_id: str,
    photos: Path,
    users: int,
    ramp: int,
    minutes: float,
    work: Path,
) -> list[tuple[float, float]]:
    environment = os.environ | {
        "FACEFLOW_LOAD_ALBUM": album_id,
        "FACEFLOW_LOAD_TOKEN": running.token,
        "FACEFLOW_LOAD_PHOTOS": str(photos),
    }
    command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless"]
    command += ["--host", running.address, "-u", str(users + 1), "-r", str(ramp)]
    command += ["-t", f"{round(minutes * 60)}s", "--csv", str(work / "locust"), "--only-summary"]
    memory: list[tuple[float, float]] = []
    started = time.perf_counter()
    with (work / "locust.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                memory.append((time.perf_counter() - started, running.rss_mib()))
                time.sleep(_SAMPLE_SECONDS)
        finally:
            process.terminate()
            process.wait(60)
    # 1: some requests failed, which the report says; anything else: Locust itself did.
    if process.returncode not in (0, 1) or not (work / "locust_stats.csv").is_file():
        raise SystemExit(f"Locust failed:\n{(work / 'locust.log').read_text()[-2000:]}")
    return memory


def _read(file: Path) -> list[Requests]:
    with file.open(newline="") as lines:
        return [
            Requests(
                name="all" if row["Name"] == "Aggregated" else row["Name"],
                count=int(row["Request Count"]),
                failures=int(row["Failure Count"]),
                median=float(row["50%"]),
                p95=float(row["95%"]),
                p99=float(row["99%"]),
            )
            for row in csv.DictReader(lines)
            if row["50%"] != "N/A"
        ]
