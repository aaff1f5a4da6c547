"""What happens to every request around its route: an id, a log line, metrics, limits, headers."""

from __future__ import annotations

import logging
import re
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import logs, metrics, tracing
from api.errors import ApiError
from api.ids import new_id
from api.server.limits import Limits
from api.server.problems import of_error, problem
from api.settings import Settings

_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_log = logging.getLogger("api.access")


class RequestContext:
    """Gives each request an id, logs and counts it, limits its address, and answers for errors
    that nobody else did."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sent = headers.get("x-request-id", "")
        request_id = sent if _ID.fullmatch(sent) else new_id()
        with logs.bound(request_id=request_id), tracing.within(tracing.trace_of(headers)):
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
            else:
                await self._http(scope, receive, send, request_id)

    async def _http(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            try:
                if not scope["path"].startswith("/objects/"):
                    self._limits.address.take(_address(scope))
                await self._app(scope, receive, send_marked)
            except ApiError as error:
                if status:
                    raise
                await of_error(error)(scope, receive, send_marked)
        except Exception:
            _log.exception("request failed")
            if status:
                raise
            response = problem(500, "Internal error", "it was not your fault, and is logged")
            await response(scope, receive, send_marked)
        finally:
            self._report(scope, status, time.perf_counter() - started)

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = route_template(scope)
        metrics.REQUESTS.labels(method, route, str(status)).inc()
        metrics.REQUEST_SECONDS.labels(method, route).observe(seconds)
        level = logging.DEBUG if route in ("/healthz", "/metrics") else logging.INFO
        user = scope.get("state", {}).get("user")
        _log.log(
            level,
            "request",
            extra={
                "method": method,
                # Never the URL itself: it may hold signatures and share ids.
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
                "address": _address(scope),
                "user": None if user is None else user.id,
            },
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class SecurityHeaders:
    """Adds what keeps browsers from doing what was not meant; routes may say otherwise."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        headers = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            # Links to shares are secrets: no other site learns them.
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": (
                "cross-origin" if settings.cors_origins else "same-origin"
            ),
            "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Cache-Control": "no-store",
        }
        if settings.public_url.startswith("https://"):
            headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        self._headers = Headers(headers).raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name for name, _ in given}
                message["headers"] = given + [one for one in self._headers if one[0] not in names]
            await send(message)

        await self._app(scope, receive, send_safe if scope["type"] == "http" else send)


def route_template(scope: Scope) -> str:
    """The path of the route with the names of its parameters, so that ids are not told apart."""
    route = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return path if isinstance(path, str) and path else "(none)"


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
