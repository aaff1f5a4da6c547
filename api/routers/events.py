"""Progress as it happens, over a WebSocket; who cannot, polls the album's status."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, cast

from anyio import to_thread
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from api import events
from api.domain.models import Album, JobKind
from api.errors import Unauthorized
from api.ids import is_id
from api.routers.schemas.jobs import JobView
from api.services import Services
from api.workflow.workflow import Workflow

router = APIRouter(tags=["events"])

_PING_SECONDS = 20.0
_NO_TOKEN, _NO_ALBUM = 4401, 4404


@router.websocket("/events")
async def watch(
    socket: WebSocket,
    album: Annotated[str, Query(max_length=64)],
    token: Annotated[str, Query(max_length=8192)] = "",
) -> None:
    """Events of an album: JSON ``{"kind", "data"}``; the first is its latest job.

    The token travels in the query, since browsers send no headers here. The socket is closed with
    4401 without a valid token and with 4404 without such an album.
    """
    services = cast(Services, socket.app.state.services)
    workflow = cast(Workflow, socket.app.state.workflow)
    await socket.accept()
    code = await to_thread.run_sync(_refusal, services, album, token)
    if code:
        await socket.close(code)
        return
    with events.subscribe(album) as subscription:
        first = await to_thread.run_sync(_latest, workflow, album)
        sender = asyncio.create_task(_send(socket, first, subscription))
        try:
            # Clients have nothing to say; this ends when they go.
            while True:
                await socket.receive_text()
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sender


async def _send(
    socket: WebSocket, first: events.Event | None, subscription: events.Subscription
) -> None:
    event = first
    while True:
        if event is not None:
            await socket.send_json({"kind": event.kind, "data": dict(event.data)})
        try:
            event = await asyncio.wait_for(subscription.next(), _PING_SECONDS)
        except TimeoutError:
            # Proxies close what is silent.
            event = events.Event("ping")


def _refusal(services: Services, album: str, token: str) -> int:
    try:
        user = services.tokens.verify(token)
    except Unauthorized:
        return _NO_TOKEN
    if not is_id(album) or services.albums.get(Album.key_of(user.id, album)) is None:
        return _NO_ALBUM
    return 0


def _latest(workflow: Workflow, album: str) -> events.Event | None:
    job = workflow.latest(JobKind.INGEST, album)
    if job is None:
        return None
    return events.Event("job", JobView.model_validate(job).model_dump(mode="json", by_alias=True))
