"""What a request is refused with, as a problem document (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import JSONResponse

from serving import logs

RETRY_SECONDS = 1
"""What ``Retry-After`` says: batches take milliseconds, so a queue empties within a second."""


class RequestError(Exception):
    """A request that is not served: its status, and a one-line reason for whoever sent it."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


class BadInput(RequestError):
    """The body is not what its content type and this model ask for (400)."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, detail)


class Busy(RequestError):
    """Try again: the queue is full, the model is loading or the answer took too long (503)."""

    def __init__(self, detail: str) -> None:
        super().__init__(503, detail, {"Retry-After": str(RETRY_SECONDS)})


def problem(error: RequestError) -> JSONResponse:
    """The response of an error."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "requestId": logs.request_id(),
    }
    return JSONResponse(
        document, error.status, error.headers, media_type="application/problem+json"
    )
