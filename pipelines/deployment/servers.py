"""Servers on this machine: processes that answer SageMaker's /ping and /invocations."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceflow_ml.errors import FaceFlowError
from pipelines.programs import command_line, last_line

_SECONDS = 60.0  # for one answer, as SageMaker allows
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A server process: id, the moment it began in clock ticks since boot, and its port."""

    pid: int
    began: int
    port: int

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def alive(self) -> bool:
        """Whether that very process still runs; its id may be another's by now."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)  # ours, when this process started it
        return _began(self.pid) == self.began

    def ready(self) -> bool:
        """Whether /ping answers 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def invoke(self, body: bytes, content_type: str) -> dict[str, Any]:
        """The answer to a request, as JSON.

        Raises:
            FaceFlowError: no answer, or one that is not 200; the server's reason is in it.
        """
        request = urllib.request.Request(
            f"{self.url}/invocations",
            body,
            {"Content-Type": content_type, "Accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                document: dict[str, Any] = json.loads(answer.read())
                return document
        except urllib.error.HTTPError as error:
            reason = error.read().decode("utf-8", "replace")[:300]
            raise FaceFlowError(f"{self.url}: {error.code}: {reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FaceFlowError(f"{self.url}: {error}") from error

    def stop(self) -> bool:
        """End it, gently first; whether it ran."""
        if not self.alive():
            return False
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            deadline = time.monotonic() + _STOP_SECONDS
            while time.monotonic() < deadline:
                if not self.alive():
                    return True
                time.sleep(0.05)
        return True


def start_server(
    command: Sequence[str],
    model_dir: Path,
    log: Path,
    *,
    seconds: float,
    started: Callable[[Server], None],
) -> Server:
    """Start a server of the model in a folder, which outlives this process, and wait for it.

    Args:
        command: that ``serve --port N --model-dir DIR`` is added to.
        model_dir: ONNX files and manifest.json.
        log: file that its output is appended to.
        seconds: until /ping must answer 200.
        started: called as soon as there is a process, so that it can be remembered.

    Raises:
        FaceFlowError: it ends, or does not answer /ping in time; its last words are in it.
    """
    port = _free_port()
    words = [*command_line(command), "serve", "--port", str(port), "--model-dir", str(model_dir)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process.pid, _began(process.pid), port)
    deadline = time.monotonic() + seconds
    try:
        started(server)
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise FaceFlowError(
                    f"the server ended with code {process.returncode}: "
                    f"{last_line(log) or 'no output'} (log: {log})"
                )
            if server.ready():
                return server
            time.sleep(0.2)
        raise FaceFlowError(f"the server was not ready after {seconds:.0f} seconds (log: {log})")
    except BaseException:
        server.stop()
        raise


def _began(pid: int) -> int:
    """Start of a process in clock ticks since boot; 0 if there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0 if fields[0] == "Z" else int(fields[19])
    except OSError:
        pass
    if sys.platform == "linux":
        return 0
    try:  # macOS tells no start time here; the id alone must do
        os.kill(pid, 0)
    except OSError:
        return 0
    return 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
