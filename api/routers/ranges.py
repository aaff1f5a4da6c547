"""Reading parts of things over HTTP (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from api.errors import ApiError

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
"""More digits than any size has are no range: Python refuses to read thousands of them."""


class RangeNotSatisfiable(ApiError):
    """The range begins after the end."""

    status = 416
    title = "Range not satisfiable"


def matches(condition: str | None, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison against a list, or ``*``."""
    if condition is None:
        return False
    given = [one.strip().removeprefix("W/") for one in condition.split(",")]
    return "*" in given or etag in given


def byte_range(headers: Mapping[str, str], etag: str, size: int) -> tuple[int, int]:
    """First byte and the one after the last (section 14); the whole for what is no single range.

    Raises:
        RangeNotSatisfiable: it begins after the end.
    """
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range", etag) != etag:
        return 0, size
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return 0, size
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        return 0, size
    if start >= end:
        raise RangeNotSatisfiable(f"there are {size} bytes", size=size)
    return start, end
