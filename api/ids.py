"""Identifiers: ULIDs, which sort by time."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from ulid import ULID

ULID_PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
_ULID = re.compile(ULID_PATTERN)


def new_id() -> str:
    """A new ULID."""
    return str(ULID())


def is_id(text: str) -> bool:
    """Is it written like a ULID?"""
    return _ULID.match(text) is not None


def next_id(after: str | None) -> str:
    """A new ULID that sorts after another, whatever this machine's clock says."""
    fresh = ULID()
    if after is not None and str(fresh) <= after:
        fresh = ULID.from_int(int(ULID.from_str(after)) + 1)
    return str(fresh)


def derived_id(*parts: str) -> str:
    """The ULID-shaped id that always stands for these texts."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return str(ULID.from_bytes(digest[:16]))


def now() -> str:
    """The time in UTC, ISO 8601 with microseconds, so that text order is time order."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
