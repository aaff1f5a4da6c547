"""AWS on the loopback interface: moto's server, with what it leaves out and the contracts need.

- Requests are handled one after the other, as their atomicity demands: moto's own server lets two
  conditional writes pass between each other's check and write, and undoes a failed transaction
  together with what others wrote meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock, Thread
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

REGION = "eu-central-1"
ACCESS_KEY, SECRET_KEY = "AKIAEMULATOR00000000", "emulator-secret"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Emulator:
    """The server; ``url`` is the endpoint of every service."""

    def __init__(self) -> None:
        self._moto: Wsgi = DomainDispatcherApplication(create_backend_app)
        self._turn = Lock()
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def client(self, service: str, **config: Any) -> Any:
        """boto3's client of a service here."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                retries={"mode": "standard", "max_attempts": 3},
                max_pool_connections=32,
                connect_timeout=60,
                read_timeout=300,
            ).merge(Config(**config)),
        )

    def stop(self) -> None:
        """End it; what it keeps is lost."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with self._turn:
            return list(self._moto(environ, start))
