"""Where a list begins and ends: prefixes, and opaque cursors bound to the query they come from."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

from api.repositories.table import BadCursor


def fingerprint(*parts: str) -> str:
    """What tells one query from another."""
    return sha256(json.dumps(parts).encode()).hexdigest()[:16]


def encode_cursor(query: str, position: Sequence[str]) -> str:
    """The cursor of a position of a query.

    >>> query = fingerprint("table", "ALBUM#1", "PHOTO#", "asc")
    >>> decode_cursor(encode_cursor(query, ["PHOTO#7"]), query, 1)
    ('PHOTO#7',)
    """
    text = json.dumps([query, *position], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, query: str, length: int) -> tuple[str, ...]:
    """The position, of ``length`` texts.

    Raises:
        BadCursor: it is damaged, or of another query.
    """
    try:
        found = json.loads(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        raise BadCursor from None
    if (
        not isinstance(found, list)
        or len(found) != length + 1
        or not all(isinstance(part, str) for part in found)
        or found[0] != query
    ):
        raise BadCursor
    try:
        "".join(found).encode()
    except UnicodeEncodeError:  # half a character, by way of an escape
        raise BadCursor from None
    return tuple(found[1:])


def after_prefix(prefix: str) -> str | None:
    """The least text that is greater than every text with the prefix; None: there is none.

    >>> after_prefix("PHOTO#")
    'PHOTO$'
    """
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1]) + 1
        if 0xD800 <= code <= 0xDFFF:  # surrogates are not characters
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[: end - 1] + chr(code)
    return None
