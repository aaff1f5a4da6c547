"""X-Ray's trace of a request goes on in what AWS is asked for while it is served: the execution
that it starts, the functions of that, and the models that they ask.

The other functions have Powertools for it. The API is a server behind Lambda's Web Adapter, which
tells it of each invocation by a header; boto3 by itself knows the trace of the process alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

HEADER = "X-Amzn-Trace-Id"
_INVOCATION = "x-amzn-lambda-context"
_TRACE = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;[A-Za-z]+=[A-Za-z0-9:.-]+)*")
_current: ContextVar[str | None] = ContextVar("trace", default=None)


class _Events(Protocol):
    def register(self, event_name: str, handler: Any) -> None: ...


def trace_of(headers: Mapping[str, str]) -> str | None:
    """The trace that a request is part of; None: the adapter told of none."""
    try:
        told = json.loads(headers.get(_INVOCATION, "null"))
    except ValueError:
        return None
    trace = told.get("xray_trace_id") if isinstance(told, dict) else None
    return trace if isinstance(trace, str) and _TRACE.fullmatch(trace) else None


@contextmanager
def within(trace: str | None) -> Iterator[None]:
    """What AWS is asked for in the block is part of this trace."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def pass_on(events: _Events) -> None:
    """Have the clients of a boto3 session, by its ``events``, tell the trace that they are in."""
    events.register("before-call", _tell)


def _tell(params: dict[str, Any], **_: Any) -> None:
    trace = _current.get()
    if trace is not None:
        params["headers"][HEADER] = trace
