"""Structured logs: one JSON object a line on stderr, with the request's id in every one.

The id is a context variable: it follows a request into the thread that serves it and, as
`Job.request_id`, into the jobs that it starts.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

_SHARED: tuple[structlog.types.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def configure_logs(level: str = "INFO") -> None:
    """Send the logs of this process, libraries' included, to stderr as JSON."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # The application logs requests itself, with more in them.
    logging.getLogger("uvicorn.access").disabled = True
    # Whoever gave these a handler of their own before has no say here.
    for name in ("uvicorn", "uvicorn.error", "api", "faceflow_ml"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


def request_id() -> str | None:
    """Id of the request that this thread works for, if any."""
    value = structlog.contextvars.get_contextvars().get("request_id")
    return value if isinstance(value, str) else None


@contextmanager
def bound(**names: str | None) -> Iterator[None]:
    """Put these into every line that is logged in the block; None is left out."""
    given = {name: value for name, value in names.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**given):
        yield
