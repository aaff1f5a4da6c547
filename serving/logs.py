"""One JSON object a line on stderr, with the id of the request in every one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def configure_logs(level: str = "INFO") -> None:
    """Send the logs of this process, libraries' included, to stderr as JSON."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            _add_request_id,
            _drop_colours,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The server logs requests itself, with more in them.
    logging.getLogger("uvicorn.access").disabled = True


def request_id() -> str | None:
    """Id of the request that is served, if any."""
    return _request_id.get()


@contextmanager
def serving(identity: str) -> Iterator[None]:
    """Put this request's id into every line that is logged in the block."""
    token = _request_id.set(identity)
    try:
        yield
    finally:
        _request_id.reset(token)


def _add_request_id(
    _logger: structlog.types.WrappedLogger, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    identity = _request_id.get()
    if identity is not None:
        event.setdefault("request_id", identity)
    return event


def _drop_colours(
    _logger: structlog.types.WrappedLogger, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    event.pop("color_message", None)  # uvicorn's, for terminals
    return event
