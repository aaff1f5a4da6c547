"""A function as a process, by Lambda's own runtime client, behind Lambda's runtime API."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from werkzeug.serving import make_server

ROOT = Path(__file__).parents[3]
_PATH = re.compile(r"/2018-06-01/runtime/(?:invocation/([^/]+)/(response|error)|init/error)")


@dataclass(frozen=True)
class Outcome:
    """What an invocation answered: a result, or an error as Lambda tells it."""

    result: Any = None
    error: dict[str, Any] | None = None


class FunctionProcess:
    """``python -m awslambdaric HANDLER``.

    started: set when the function asks for its first event: the end of its initialisation.
    """

    def __init__(self, handler: str, environment: dict[str, str], seconds: float = 60.0) -> None:
        self.started = Event()
        self._seconds = seconds
        self._events: queue.Queue[Any] = queue.Queue()
        self._outcomes: queue.Queue[Outcome] = queue.Queue()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            cwd=ROOT,
            env=os.environ
            | environment
            | {
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": f"faceflow-dev-{handler.split('.')[2]}",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                "PYTHONPATH": str(ROOT),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def invoke(self, event: Any, timeout: float = 300.0) -> Outcome:
        """One event."""
        self._events.put(event)
        return self._outcomes.get(timeout=timeout)

    def cpu_seconds(self) -> float:
        """Processor time that the process has taken."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def resident_mb(self) -> float:
        """Memory that the process takes."""
        return float(psutil.Process(self._process.pid).memory_info().rss / 2**20)

    def stop(self) -> str:
        """End it; what it logged."""
        self._process.kill()
        said = self._process.communicate()[0]
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
        return said

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.endswith("/invocation/next"):
            self.started.set()
            event = self._events.get()
            end = time.time() + self._seconds
            headers = [
                ("Content-Type", "application/json"),
                ("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4())),
                ("Lambda-Runtime-Deadline-Ms", str(round(end * 1000))),
                ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:1:function:f"),
                ("Lambda-Runtime-Trace-Id", "Root=1-0-0;Sampled=0"),
            ]
            start("200 OK", headers)
            return [json.dumps(event).encode()]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        found = _PATH.fullmatch(path)
        document = json.loads(body) if body else None
        if found is not None and found[2] == "response":
            self._outcomes.put(Outcome(result=document))
        else:
            self._outcomes.put(Outcome(error=document))
            self.started.set()
        start("202 Accepted", [("Content-Type", "application/json")])
        return [b"{}"]


def environment_of(aws: Any, settings: Any, url: str, key: tuple[str, str]) -> dict[str, str]:
    """What a function is told, with another endpoint in the place of AWS."""
    given = {
        f"FACEFLOW_{name.upper()}": str(value)
        for name, value in aws.model_dump().items()
        if value is not None
    }
    return given | {
        "APP_ENV": "dev",
        "FACEFLOW_JWT_ISSUER": settings.jwt_issuer,
        "FACEFLOW_SIGNING_KEYS": "k" * 32,
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": key[0],
        "AWS_SECRET_ACCESS_KEY": key[1],
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
