"""The application: routes, and what surrounds them."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Event, Thread

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import faceflow_ml
from api.handlers import job_handlers
from api.home import forward_events, open_services, open_workflow
from api.objects.file_store import FileObjectStore
from api.repositories.sqlite_table import SqliteTable
from api.routers import (
    albums,
    clusters,
    config,
    decisions,
    docs,
    duplicates,
    events,
    faces,
    jobs,
    me,
    objects,
    photos,
    recipients,
    shares,
    suggestions,
    system,
    uploads,
)
from api.server.audit import AuditTrail
from api.server.limits import Limits
from api.server.middleware import RequestContext, SecurityHeaders
from api.server.openapi import DESCRIPTION, PROBLEM_RESPONSES, describe
from api.server.problems import add_handlers
from api.server.web import WebClient, web_folder
from api.services import Services
from api.settings import Settings, read_settings
from api.sharing.notify import resume_mails
from api.workflow.reembedding import start_stale
from api.workflow.runner import LocalWorkflow
from api.workflow.workflow import Workflow

_log = logging.getLogger(__name__)

_ROUTERS = (
    albums,
    uploads,
    photos,
    duplicates,
    jobs,
    events,
    clusters,
    faces,
    suggestions,
    decisions,
    shares,
    recipients,
    me,
    config,
    system,
    docs,
)
_MAX_BODY = 8 * 2**20
"""Bytes of a request that is no upload."""
_TIDY_SECONDS = 600.0
_STALE_SECONDS = 86400.0


def create_app(
    settings: Settings | None = None,
    services: Services | None = None,
    workflow: Workflow | None = None,
) -> FastAPI:
    """The application over its homes.

    Args:
        settings: None: from the environment.
        services: instead of those that the settings ask for; not closed at the end.
        workflow: instead of the one that the settings ask for.

    Raises:
        ValueError: a setting or a secret is missing that has no default.
    """
    settings = settings or (services.settings if services else read_settings())
    own = services is None
    # What is missing is said now, not to the first visitor, and before anything is made.
    config.client_config(settings)
    opened = services or open_services(settings)
    if workflow is None:
        make = open_workflow if own else LocalWorkflow
        workflow = make(opened, job_handlers())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if own:
            forward_events(settings)
        try:
            with _working(opened, workflow):
                yield
        finally:
            if own:
                opened.table.close()

    app = FastAPI(
        title="FaceFlow",
        version=faceflow_ml.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        responses=PROBLEM_RESPONSES,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        max_body_size=_MAX_BODY,
    )
    limits = Limits(settings)
    app.state.services, app.state.workflow, app.state.limits = opened, workflow, limits
    add_handlers(app)
    describe(app)
    # Uploads are as long as they were signed for. First, since most requests are for pictures.
    app.include_router(objects.router, max_body_size=max(settings.max_photo_bytes, _MAX_BODY))
    for module in _ROUTERS:
        app.include_router(module.router)
    if (folder := web_folder(settings)) is not None:
        app.mount("/", WebClient(folder, opened), name="web")
    # The last one added is the outermost.
    app.add_middleware(AuditTrail, services=opened)
    app.add_middleware(RequestContext, limits=limits)
    if settings.cors_origins:
        # Around the limits: browsers show no page an answer without these headers, a refusal
        # neither, and what they ask beforehand is nobody's request.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Range",
                "X-Share-Token",
            ],
            expose_headers=["ETag", "Retry-After", "X-Request-ID", "Content-Disposition"],
            max_age=3600,
        )
    app.add_middleware(SecurityHeaders, settings=settings)
    return app


@contextmanager
def _working(services: Services, workflow: Workflow) -> Iterator[None]:
    """What a process does besides answering: all the work on one machine, on AWS none."""
    if not isinstance(workflow, LocalWorkflow):
        yield
        return
    workflow.resume()
    resume_mails(services, workflow)
    stopped = Event()
    tidier = Thread(target=_tidy, args=(services, workflow, stopped), name="tidy", daemon=True)
    tidier.start()
    try:
        yield
    finally:
        stopped.set()
        workflow.stop()
        tidier.join()


def _tidy(services: Services, workflow: LocalWorkflow, stopped: Event) -> None:
    """Bring albums of another embedder up to date; then, now and then, remove what has expired, and
    what stopped processes left half-written."""
    try:
        start_stale(services, workflow)
    except Exception:  # noqa: BLE001 - the albums stay as they are, and everything works
        _log.exception("albums of another embedder were not looked for")
    while True:
        if isinstance(services.table, SqliteTable):
            services.table.remove_expired()
        if isinstance(services.objects, FileObjectStore):
            services.objects.remove_stale(time.time() - _STALE_SECONDS)
        if stopped.wait(_TIDY_SECONDS):
            return
