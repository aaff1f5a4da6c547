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
_REQUEST_ID = "x-request-id"
_INFERENCE_ID = "x-amzn-sagemaker-inference-id"  # that a caller gave InvokeEndpoint
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
        headers = Headers(scope=scope)
        inference_id = _given_id(headers, _INFERENCE_ID)
        identity = _given_id(headers, _REQUEST_ID) or inference_id or uuid.uuid4().hex
        facts = scope.setdefault("state", {})["facts"] = {}
        if inference_id is not None:
            facts["inference_id"] = inference_id
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


def _given_id(headers: Headers, name: str) -> str | None:
    value = headers.get(name, "")
    return value if _ID.fullmatch(value) else None


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
            **scope["state"]["facts"],
        },
    )
