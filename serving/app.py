"""The server's routes: SageMaker's contract of an inference container, and metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving import media, metrics
from serving.body import read_body
from serving.device import resolve_device
from serving.errors import Busy, RequestError, problem
from serving.middleware import RequestContext
from serving.service import Service
from serving.settings import Settings

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class _ClientGone(Exception):
    """Nobody is there any more to hear the answer."""


def create_app(settings: Settings, on_failure: Callable[[Exception], None]) -> Starlette:
    """The application.

    on_failure: called when the model cannot be loaded; it should end the process.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service = app.state.service = Service(settings)
        # Beside the server, which answers 503 meanwhile.
        loading = asyncio.create_task(_load(service, on_failure))
        try:
            yield
        finally:
            loading.cancel()
            await service.stop()

    return Starlette(
        routes=[
            Route("/ping", _ping),
            Route("/invocations", _invocations, methods=["POST"]),
            Route("/execution-parameters", _execution_parameters),
            Route("/metadata", _metadata),
            Route("/metrics", _metrics),
        ],
        middleware=[Middleware(RequestContext)],
        exception_handlers={RequestError: _problem, HTTPException: _http_problem},
        lifespan=lifespan,
    )


async def _load(service: Service, on_failure: Callable[[Exception], None]) -> None:
    try:
        await service.start()
    except Exception as error:  # noqa: BLE001 - whatever it was, there is nothing to serve
        on_failure(error)


async def _ping(request: Request) -> Response:
    info = _service(request).info
    return JSONResponse({"status": "ok", "contract_id": info.contract_id})


async def _metadata(request: Request) -> Response:
    service = _service(request)
    info, settings = service.info, service.settings
    return JSONResponse(
        {
            "task": info.task,
            "model": info.name,
            "contract_id": info.contract_id,
            "sha256": info.sha256,
            "calibration": dict(info.calibration),
            "device": resolve_device(settings.device),
            "max_body_bytes": settings.max_body,
            "max_instances": settings.max_instances,
            "max_batch": settings.batch_size,
        }
    )


async def _execution_parameters(request: Request) -> Response:
    """What SageMaker's batch transform asks before it starts."""
    settings = _service(request).settings
    return JSONResponse(
        {
            # Enough that a batch fills up while the one before it runs.
            "MaxConcurrentTransforms": min(
                settings.queue_size, 2 * settings.processes * settings.batches * settings.batch_size
            ),
            "BatchStrategy": "SINGLE_RECORD",  # right for every content type
            "MaxPayloadInMB": max(1, settings.max_body // 2**20),
        }
    )


async def _metrics(_request: Request) -> Response:
    body, media_type = metrics.exposition()
    return Response(body, media_type=media_type)


async def _invocations(request: Request) -> Response:
    service = _service(request)
    settings = service.settings
    info = service.info
    reading = True
    with service.queue.place() as place:
        try:
            async with asyncio.timeout(settings.request_timeout):
                with service.arriving():
                    content_type = media.content_type(request.headers.get("content-type"))
                    wanted = media.preferred(
                        request.headers.get("accept"), media.answers_to(content_type)
                    )
                    body = await read_body(request, settings.max_body)
                    reading = False
                    payload = await service.parse(content_type, body)
                images = sum(payload.records)
                place.grow(images)
                request.state.facts |= {"images": images, "bytes": len(body)}
                answers = await _while_connected(request, service.answer(payload))
                content = await service.render(answers, payload, wanted)
        except TimeoutError:
            if reading:
                raise RequestError(408, "the body took too long to arrive") from None
            raise Busy("the answer took too long") from None
        except _ClientGone:
            return Response(status_code=499)  # unheard: for log and metrics
    return Response(
        content,
        media_type=wanted,
        headers={
            "X-FaceFlow-Contract-Id": info.contract_id,
            # The one header that SageMaker hands on to whoever called InvokeEndpoint.
            "X-Amzn-SageMaker-Custom-Attributes": info.attributes,
        },
    )


async def _while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``, which is given up when the client goes away."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise _ClientGone
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return problem(error)


async def _http_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {404: "there is no such route", 405: "this route has no such method"}
    detail = details.get(error.status_code, error.detail)
    return problem(RequestError(error.status_code, detail, dict(error.headers or {})))
