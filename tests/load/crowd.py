"""Two hundred visitors and one who uploads, by Locust, and the application's memory meanwhile."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.load import ingest
from tests.load.application import application
from tests.load.locusts import Requests, failed, run_locust

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")


@dataclass(frozen=True)
class Crowded:
    """What a crowd met.

    requests: by name; the last is of all together.
    per_second: requests of all.
    cores: processors that the application kept busy, on average.
    memory: (n, 2) seconds and MiB of the application's memory, since all visitors are there.
    failed: what failed, and how.
    """

    users: int
    minutes: float
    requests: tuple[Requests, ...]
    per_second: float
    cores: float
    memory: tuple[tuple[float, float], ...]
    failed: tuple[str, ...] = ()

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

    @property
    def flat(self) -> bool:
        """Whether the last quarter takes at most 5% more than the second."""
        return self.growth <= 0.05

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
        memory: list[tuple[float, float]] = []
        requests = run_locust(
            _LOCUSTFILE,
            running.address,
            users=users + 1,
            ramp=ramp,
            seconds=minutes * 60,
            work=work,
            environment={
                "FACEFLOW_LOAD_ALBUM": album_id,
                "FACEFLOW_LOAD_TOKEN": running.token,
                "FACEFLOW_LOAD_PHOTOS": str(photos),
            },
            tick=lambda: memory.append((time.perf_counter() - started, running.rss_mib())),
        )
        seconds = time.perf_counter() - started
        cores = (running.cpu_seconds() - cpu) / seconds
    settled = users / ramp
    return Crowded(
        users=users,
        minutes=minutes,
        requests=requests,
        per_second=requests[-1].count / seconds,
        cores=cores,
        memory=tuple(sample for sample in memory if sample[0] >= settled) or tuple(memory),
        failed=failed(work),
    )
