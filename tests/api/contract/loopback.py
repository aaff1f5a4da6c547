"""What stands in for an AWS service over HTTP, on a port of this machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

from werkzeug.serving import make_server


class Loopback(ABC):
    """A server that answers by `_answer`, a WSGI application, until `stop`.

    url: where it is.
    """

    def __init__(self) -> None:
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @abstractmethod
    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]: ...
