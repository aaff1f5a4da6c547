"""What the application logs, as whoever collects the logs gets it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from api.logs import configure_logs


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """The lines that were logged in the block; there when it ends."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream, lines = io.StringIO(), list[dict[str, Any]]()
    try:
        configure_logs()
        root.handlers[0].setStream(stream)  # type: ignore[attr-defined]
        yield lines
    finally:
        root.handlers = before
        root.setLevel(level)
        lines += map(json.loads, stream.getvalue().splitlines())
