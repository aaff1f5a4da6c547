"""Writes the audit log around the routes, so that no route can forget to."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock

from anyio import to_thread
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import logs
from api.domain import audit
from api.repositories.table import Index
from api.services import Services

_SAME_LOOK_SECONDS = 3600.0
_REMEMBERED = 20_000
_ERASE = "eraseAccount"
"""Leaves its receipt, and nothing else."""


class AuditTrail:
    """Notes every change before its answer is sent, and looks once an hour for each thing: pages
    of photos are looked at too often to write each time."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services
        self._lock = Lock()
        self._looks: OrderedDict[tuple[str, ...], float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                await self._note(scope)
            await send(message)

        await self._app(scope, receive, send_noted if scope["type"] == "http" else send)

    async def _note(self, scope: Scope) -> None:
        route = scope.get("route")
        if not isinstance(route, APIRoute) or not route.operation_id:
            return
        action = route.operation_id
        subject = {name: str(value) for name, value in scope.get("path_params", {}).items()}
        user = scope.get("state", {}).get("user")
        by_recipient = user is None and route.path.startswith("/shares/{id}")
        if action == _ERASE or (user is None and not by_recipient):
            return
        name = user.id if user is not None else ""
        if scope["method"] in ("GET", "HEAD") and not self._is_new_look(
            (name, action, *subject.values())
        ):
            return
        request_id = logs.request_id()

        def write() -> None:
            owner = name or self._owner_of(subject["id"])
            if owner:
                audit.record(
                    self._services,
                    owner,
                    actor="user" if name else "recipient",
                    action=action,
                    subject=subject,
                    request_id=request_id,
                )

        await to_thread.run_sync(write)

    def _owner_of(self, share_id: str) -> str:
        page = self._services.shares.index_page(Index.GSI1, f"SHARE#{share_id}", limit=1)
        return page.records[0].user_id if page.records else ""

    def _is_new_look(self, look: tuple[str, ...]) -> bool:
        moment = time.monotonic()
        with self._lock:
            last = self._looks.get(look)
            if last is not None and moment - last < _SAME_LOOK_SECONDS:
                return False
            self._looks[look] = moment
            self._looks.move_to_end(look)
            if len(self._looks) > _REMEMBERED:
                self._looks.popitem(last=False)
        return True
