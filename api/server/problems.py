"""RFC 9457 problem documents for everything that goes wrong."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api import logs
from api.errors import ApiError, TooManyRequests, Unauthorized
from api.repositories.table import BadCursor, ConditionFailed

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it; further members depend on the problem."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int = Field(ge=400, le=599)
    detail: str | None = None
    requestId: str | None = None  # noqa: N815 - JSON's name
    """To be quoted to whoever runs the service."""


class ProblemResponse(JSONResponse):
    """A problem document."""

    media_type = MEDIA_TYPE


def problem(
    status: int,
    title: str,
    detail: str | None = None,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> ProblemResponse:
    """The response of a problem."""
    document = Problem(
        title=title, status=status, detail=detail, requestId=logs.request_id(), **extra
    )
    return ProblemResponse(document.model_dump(exclude_none=True), status, headers)


def of_error(error: ApiError) -> ProblemResponse:
    """The response of an error of ours."""
    headers = {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(error.status, error.title, error.detail, headers, **error.extra)


def add_handlers(app: FastAPI) -> None:
    """Answer every error of the routes with a problem document."""

    @app.exception_handler(ApiError)
    def _api_error(_: Request, error: ApiError) -> ProblemResponse:
        if error.status >= 500:
            _log.error("request failed", exc_info=error)
        return of_error(error)

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> ProblemResponse:
        errors = [
            {"pointer": "/".join(map(str, one["loc"])), "detail": one["msg"], "kind": one["type"]}
            for one in error.errors()
        ]
        first = f"{errors[0]['pointer']}: {errors[0]['detail']}" if errors else None
        return problem(422, "Invalid request", first, errors=errors)

    @app.exception_handler(HTTPException)
    def _http(_: Request, error: HTTPException) -> ProblemResponse:
        titles = {404: "Not found", 405: "Method not allowed"}
        title = titles.get(error.status_code, "Bad request")
        return problem(
            error.status_code, title, str(error.detail), dict(error.headers or {}) or None
        )

    @app.exception_handler(BadCursor)
    def _bad_cursor(_: Request, error: BadCursor) -> ProblemResponse:
        return problem(400, "Bad request", str(error))

    @app.exception_handler(ConditionFailed)
    def _changed(_: Request, error: ConditionFailed) -> ProblemResponse:
        _log.warning("conflicting writes", extra={"key": str(error)})
        return problem(409, "Conflict", "it was changed at the same time: try again")
