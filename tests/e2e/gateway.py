"""API Gateway's WebSocket API on the loopback interface, in front of the project's own function."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.lambdas import sockets
from tests.api.lambdas.cloud import Context

from .served import Served


class Gateway:
    """Connections become events of the function, and what it posts goes to them.

    host: ``127.0.0.1:PORT``; clients connect to ``/main``, messages are posted below it.
    """

    def __init__(self) -> None:
        self.open: dict[str, WebSocket] = {}
        self.refused: list[int] = []
        routes = [
            WebSocketRoute("/main", self._connect),
            Route("/main/@connections/{id}", self._post, methods=["POST"]),
        ]
        self._served = Served()
        self.host = self._served.host
        self._served.start(Starlette(routes=routes))

    def stop(self) -> None:
        """End it."""
        self._served.stop()

    async def _connect(self, client: WebSocket) -> None:
        connection = uuid4().hex
        answer = await _call("$connect", connection, dict(client.query_params))
        if answer["statusCode"] != 200:
            self.refused.append(answer["statusCode"])
            await client.send_denial_response(Response(status_code=answer["statusCode"]))
            return
        await client.accept()
        self.open[connection] = client
        try:
            while True:
                json.loads(await client.receive_text())
                await _call("$default", connection)
        except WebSocketDisconnect:
            del self.open[connection]
            await _call("$disconnect", connection)

    async def _post(self, request: Request) -> Response:
        client = self.open.get(request.path_params["id"])
        if client is None:
            return Response(status_code=410)
        await client.send_text((await request.body()).decode())
        return Response()


async def _call(route: str, connection: str, query: dict[str, str] | None = None) -> dict[str, Any]:
    event = {
        "requestContext": {"routeKey": route, "connectionId": connection},
        "queryStringParameters": query,
    }
    answer = await to_thread.run_sync(lambda: sockets.handler(event, Context("sockets")))
    await asyncio.sleep(0)
    return dict(answer)
