"""A server as a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds: for machines that are busy with other things


class Server:
    """``python -m serving TASK serve``."""

    def __init__(self, task: str, *arguments: str, **environment: str) -> None:
        self.port = free_port()
        handle, name = tempfile.mkstemp(suffix=".log")
        os.close(handle)
        self._log = Path(name)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serving", task, "serve", "--port", str(self.port)]
                + list(arguments),
                cwd=ROOT,
                env=os.environ | {"FACEFLOW_SERVING_THREADS": "1"} | environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE)

    def ping(self) -> int | None:
        """Status of /ping; None if nobody listens."""
        try:
            return self.client.get("/ping").status_code
        except httpx2.TransportError:
            return None

    def wait(self) -> list[int | None]:
        """Wait until the model is loaded; what /ping said until then."""
        seen = [self.ping()]
        started = time.monotonic()
        while seen[-1] != 200:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() - started < PATIENCE, self.log()
            time.sleep(0.01)
            seen.append(self.ping())
        return seen

    def post(self, body: Any, content_type: str, **headers: str) -> httpx2.Response:
        given = {"Content-Type": content_type} | {
            k.replace("_", "-"): v for k, v in headers.items()
        }
        return self.client.post("/invocations", content=body, headers=given)

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.split()[0] == name)

    def wait_for_work(self) -> None:
        """Wait until images are in the server."""
        deadline = time.monotonic() + PATIENCE
        while self.metric("faceflow_serving_queue_images") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def terminate(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def log(self) -> str:
        return self._log.read_text()

    def events(self) -> list[dict[str, Any]]:
        """What was logged: JSON, a line each."""
        # Decoders write lines of their own about damaged photos, which are no JSON.
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def logged(self, request_id: str) -> list[dict[str, Any]]:
        """What was logged of a request; a line follows the answer that it is about."""
        deadline = time.monotonic() + PATIENCE
        while True:
            # The last line may be half-written.
            lines = self.log().split("\n")[:-1]
            found = [e for e in map(json.loads, lines) if e.get("request_id") == request_id]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()
        self._log.unlink()


@contextmanager
def serving(task: str, *arguments: str, **environment: str) -> Iterator[Server]:
    """A server whose model is loaded."""
    server = Server(task, *arguments, **environment)
    try:
        server.wait()
        yield server
    finally:
        server.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
