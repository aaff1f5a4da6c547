"""Locust in a process of its own, and what it has counted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_TICK_SECONDS = 2.0


@dataclass(frozen=True)
class Requests:
    """Of one name: how many, how many failed, how many a second, milliseconds."""

    name: str
    count: int
    failures: int
    per_second: float
    median: float
    p95: float
    p99: float


def run_locust(
    file: Path,
    host: str,
    *,
    users: int,
    ramp: int,
    seconds: float,
    work: Path,
    environment: Mapping[str, str],
    tick: Callable[[], None] = lambda: None,
) -> tuple[Requests, ...]:
    """Let the users of a locustfile loose on a server.

    Args:
        ramp: how many come a second.
        seconds: for how long; what they are at then is finished.
        work: folder for what Locust writes.
        environment: variables that the file reads.
        tick: called every two seconds meanwhile.

    Returns:
        What they met, by name; the last is of all together.
    """
    command = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--only-summary"]
    command += ["--host", host, "-u", str(users), "-r", str(ramp)]
    command += ["-t", f"{round(seconds)}s", "--stop-timeout", "60"]
    # Not its CSV files, which lack the last second.
    command += ["--json-file", str(work / "locust")]
    with (work / "locust.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                tick()
                try:
                    process.wait(_TICK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.terminate()
            process.wait(60)
    # 1: some requests failed, which is counted; anything else: Locust itself did.
    if process.returncode not in (0, 1) or not (work / "locust.json").is_file():
        raise SystemExit(f"Locust failed:\n{(work / 'locust.log').read_text()[-2000:]}")
    return _read(work / "locust.json")


def failed(work: Path) -> tuple[str, ...]:
    """What failed in the run before, how, and how often, as Locust says it in its log."""
    _, _, said = (work / "locust.log").read_text(errors="replace").partition("Error report\n")
    lines = [re.fullmatch(r"(\d+) +(\S.*?) *", line) for line in said.splitlines()]
    return tuple(f"{line[1]} times {line[2]}" for line in lines if line is not None)


def _read(file: Path) -> tuple[Requests, ...]:
    entries = [entry for entry in json.loads(file.read_text()) if entry["num_requests"]]
    if not entries:
        raise SystemExit("Locust made no request")
    by_name = [_requests(entry["name"], [entry]) for entry in entries]
    return (*sorted(by_name, key=lambda one: one.name), _requests("all", entries))


def _requests(name: str, entries: Sequence[Mapping[str, Any]]) -> Requests:
    """Entries of Locust's taken together."""
    times: Counter[float] = Counter()
    for entry in entries:
        times.update({float(ms): count for ms, count in entry["response_times"].items()})
    taken = np.sort(np.repeat([*times], [*times.values()]))
    median, p95, p99 = np.percentile(taken, [50, 95, 99], method="higher")
    began = min(entry["start_time"] for entry in entries)
    ended = max(entry["last_request_timestamp"] for entry in entries)
    count = sum(entry["num_requests"] for entry in entries)
    return Requests(
        name=name,
        count=count,
        failures=sum(entry["num_failures"] for entry in entries),
        per_second=count / max(ended - began, 1e-3),
        median=float(median),
        p95=float(p95),
        p99=float(p99),
    )
