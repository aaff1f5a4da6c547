"""What every home of the table refuses before it writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.repositories.table import (
    ANY,
    EXPIRY,
    INDEX_ATTRIBUTES,
    TRANSACTION_LIMIT,
    Delete,
    Key,
    Put,
    Update,
    Write,
)


def check_key(key: Key) -> Key:
    """The key, if both parts of it say something.

    Raises:
        ValueError: a part of it is empty.
    """
    if not key.pk or not key.sk:
        raise ValueError("a key must not be empty")
    return key


def check_placing(name: str, value: Any) -> Any:
    """The value of an attribute of an item; those that place it in an index, or in time, must be
    able to.

    Raises:
        ValueError: this one cannot.
    """
    if value is None:
        return None
    if name in INDEX_ATTRIBUTES and (not isinstance(value, str) or not value):
        raise ValueError(f"{name} must be text that is not empty, not {value!r}")
    if name == EXPIRY and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"{EXPIRY} must be epoch seconds, not {value!r}")
    return value


def check_transaction(writes: Sequence[Write]) -> None:
    """Can these be one transaction?

    Raises:
        ValueError: too many writes, or two to one key.
    """
    if len(writes) > TRANSACTION_LIMIT:
        raise ValueError(f"{len(writes)} writes in a transaction of {TRANSACTION_LIMIT}")
    if len({write.key for write in writes}) != len(writes):
        raise ValueError("two writes to one key in a transaction")


def check_unconditional(writes: Sequence[Put | Update | Delete]) -> None:
    """Can these be written without being one transaction?

    Raises:
        ValueError: a write with a condition.
    """
    if any(write.expect != ANY for write in writes):
        raise ValueError("write_many has no conditions")
