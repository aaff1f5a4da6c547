"""Around every request: an id, a log line, metrics, and answers for errors nobody else handled."""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import logs, metrics
from serving.errors import RequestError, problem

ROUTES = frozenset({"/ping", "/invocations", "/execution-parameters", "/metadata", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/ping", "/metrics"})
# In order: a caller's own id, then the one that SageMaker passes on from InvokeEndpoint.
_ID_HEADERS = ("x-request-id", "x-amzn-sagemaker-inference-id")
_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_log = logging.getLogger("serving.access")


class RequestContext:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = _request_id(Headers(scope=scope))
        with logs.serving(identity):
            await self._answer(scope, receive, send, identity)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, identity: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = identity
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:
            _log.exception("request failed")
            if status:
                raise
            error = RequestError(500, "it was not your fault, and is logged")
            await problem(error)(scope, receive, send_marked)
        finally:
            _report(scope, status, time.perf_counter() - started)


def _request_id(headers: Headers) -> str:
    for name in _ID_HEADERS:
        if _ID.fullmatch(headers.get(name, "")):
            return headers[name]
    return uuid.uuid4().hex


def _report(scope: Scope, status: int, seconds: float) -> None:
    # Names that clients make up must not become labels: each is a new series for ever.
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = scope["path"] if scope["path"] in ROUTES else "(none)"
    metrics.REQUESTS.labels(route, method, str(status)).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(seconds)
    level = logging.DEBUG if route in _QUIET and status < 400 else logging.INFO
    _log.log(
        level,
        "request",
        extra={
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            **scope.get("state", {}).get("facts", {}),
        },
    )
