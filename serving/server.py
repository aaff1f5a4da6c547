"""Running the server: one process, or several that share a port."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from faceflow_ml.errors import FaceFlowError
from serving import metrics
from serving.app import create_app
from serving.handler import model_info
from serving.logs import configure_logs
from serving.settings import PREFIX, Settings

_log = logging.getLogger(__name__)
# Longer than load balancers keep idle connections, so that they are the ones to close them.
_KEEP_ALIVE = 75
_BACKLOG = 2048


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; requests that are being answered are finished.

    Returns the exit code: 0 after a signal, 1 if the model cannot be served.
    """
    configure_logs(settings.log_level)
    try:
        # A model that was altered is refused before anything listens.
        model_info(settings.task, settings.model_dir)
    except FaceFlowError as error:
        _log.error("the model cannot be served: %s", error)
        return 1
    return _serve_one(settings) if settings.processes == 1 else _serve_many(settings)


def _serve_one(settings: Settings) -> int:
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        _report(error)
        failures.append(error)
        server.should_exit = True

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, fail),
            **_options(settings),
        )
    )
    # uvicorn drains, then raises the signal again; that time it is to end nothing.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()
    return 1 if failures or not server.started else 0


def _options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told, for one process and for several."""
    return {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "backlog": _BACKLOG,
        "timeout_keep_alive": _KEEP_ALIVE,
        "timeout_graceful_shutdown": settings.drain_timeout,
    }


def _serve_many(settings: Settings) -> int:
    folder = tempfile.mkdtemp(prefix="faceflow-metrics-")
    # The processes are started anew and read their settings from the environment.
    os.environ[metrics.MULTIPROCESS_VARIABLE] = folder
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if value is not None:
            os.environ[f"{PREFIX}{name.upper()}"] = str(value)
    try:
        uvicorn.run(
            "serving.server:create_child",
            factory=True,
            workers=settings.processes,
            **_options(settings),
        )
        return 1 if _failure_mark(folder).exists() else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_child() -> Starlette:
    """The application of one of several processes."""
    settings = Settings()  # from the environment
    configure_logs(settings.log_level)

    def fail(error: Exception) -> None:
        _report(error)
        sys.stderr.flush()
        _failure_mark(os.environ[metrics.MULTIPROCESS_VARIABLE]).touch()
        os._exit(STARTUP_FAILURE)  # which ends the parent too: another try would fail alike

    return create_app(settings, fail)


def _failure_mark(folder: str) -> Path:
    return Path(folder) / "failed"


def _report(error: Exception) -> None:
    if isinstance(error, FaceFlowError):
        _log.error("the model cannot be served: %s", error)
    else:
        _log.error("the model cannot be served", exc_info=error)
