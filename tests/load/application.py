"""The application as `make app` runs it, in a process of its own, for measurements."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

USER = "load"


@dataclass(frozen=True)
class Running:
    """A process that answers, and a client that is signed in."""

    address: str
    pid: int
    token: str
    client: httpx2.Client

    def rss_mib(self) -> float:
        """Memory of the process."""
        return _status_mib(self.pid, "VmRSS:")

    def peak_mib(self) -> float:
        """The most memory that it had."""
        return _status_mib(self.pid, "VmHWM:")

    def cpu_seconds(self) -> float:
        """Processor time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def dev_token(client: httpx2.Client, user: str = USER) -> str:
    """A token of the local issuer."""
    answer = client.post("/auth/dev-token", json={"user": user})
    answer.raise_for_status()
    return str(answer.json()["token"])


@contextmanager
def application(
    data: Path,
    environment: Mapping[str, str] | None = None,
    sign_in: Callable[[httpx2.Client], str] = dev_token,
) -> Iterator[Running]:
    """Start it over a folder; it is stopped at the end.

    The limits on requests are lifted: they are for one person, and one client here does the work
    of hundreds.

    Args:
        environment: further variables, such as those that describe AWS.
        sign_in: gets a token.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    limits = {
        "FACEFLOW_RATE_PER_USER": "100000",
        "FACEFLOW_RATE_PER_ADDRESS": "100000",
        "FACEFLOW_RATE_SIGN_IN": "100000",
        "FACEFLOW_QUOTA_PHOTOS": "1000000",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "--port", str(port), "--data", str(data)],
        env=os.environ | limits | dict(environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx2.Client(base_url=address, timeout=120) as client:
            _until_up(client, process)
            token = sign_in(client)
            client.headers["Authorization"] = f"Bearer {token}"
            yield Running(address, process.pid, token, client)
    finally:
        process.terminate()
        process.wait(60)


def _until_up(client: httpx2.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit(f"the application ended with {process.returncode}")
        try:
            if client.get("/healthz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise SystemExit("the application did not start")


def _status_mib(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(name))
    return int(line.split()[1]) / 1024
