"""The SageMaker runtime on the loopback interface: passes requests on to containers, which run as
processes, and answers for them as SageMaker does when they refuse."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

import httpx2

from tests.api.contract.loopback import Loopback

_PATH = re.compile(r"/endpoints/([^/]+)/invocations")
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class Runtime(Loopback):
    """``InvokeEndpoint``.

    containers: where ``/invocations`` of each endpoint is.
    trouble: what the next requests are answered with instead: (status, code of the error).
    asked: how many requests there were, by endpoint.
    """

    def __init__(self, containers: dict[str, str]) -> None:
        self.containers = containers
        self.trouble: deque[tuple[int, str]] = deque()
        self.asked: dict[str, int] = {}
        self._lock = Lock()
        self._client = httpx2.Client(timeout=300)
        super().__init__()

    def stop(self) -> None:
        """End it."""
        super().stop()
        self._client.close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        found = _PATH.fullmatch(environ["PATH_INFO"])
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        if found is None or found[1] not in self.containers:
            return _error(start, 400, "ValidationError", {"Message": "Endpoint not found."})
        with self._lock:
            self.asked[found[1]] = self.asked.get(found[1], 0) + 1
            if self.trouble:
                status, code = self.trouble.popleft()
                # As when the container itself is too busy.
                inner = {"OriginalStatusCode": 503} if code == "ModelError" else {}
                return _error(start, status, code, {"Message": "in trouble"} | inner)
        answer = self._client.post(
            f"{self.containers[found[1]]}/invocations",
            content=body,
            headers={"Content-Type": environ["CONTENT_TYPE"], "Accept": environ["HTTP_ACCEPT"]},
        )
        if answer.status_code != 200:
            document = {
                "Message": f"Received client error ({answer.status_code}) from primary",
                "OriginalMessage": answer.text,
                "OriginalStatusCode": answer.status_code,
            }
            return _error(start, 424, "ModelError", document)
        headers = [("Content-Type", answer.headers["Content-Type"])]
        if _ATTRIBUTES in answer.headers:
            headers.append((_ATTRIBUTES, answer.headers[_ATTRIBUTES]))
        start("200 OK", headers)
        return [answer.content]


def _error(
    start: Callable[..., Any], status: int, code: str, document: dict[str, Any]
) -> list[bytes]:
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
    start(f"{status} {code}", headers)
    return [json.dumps(document).encode()]
