"""An application on a port of this machine, in a thread of the tests."""

from __future__ import annotations

import socket
import time
from threading import Thread

import uvicorn
from starlette.types import ASGIApp


class Served:
    """A port, and from `start` on who answers there.

    host: ``127.0.0.1:PORT``, known before.
    """

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"

    def start(self, app: ASGIApp) -> None:
        """Answer by this application."""
        # Open connections of browsers must not hold the end up.
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._listening],), daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the application does not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join()
