"""Items as DynamoDB has them: each value with a letter for its type.

DynamoDB knows one kind of number: ``1.0`` comes back as ``1``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from api.repositories.checks import check_key, check_placing
from api.repositories.dynamo_schema import PK, SK, TOUCHED
from api.repositories.table import INDEX_ATTRIBUTES, Item, Key

Attribute = dict[str, Any]
_DIGITS = 38
_LEAST, _MOST = 1e-130, 9.9e125


def to_attribute(value: Any) -> Attribute:
    """A value of JSON as an attribute value.

    >>> to_attribute({"n": [1, 0.5, None]})
    {'M': {'n': {'L': [{'N': '1'}, {'N': '0.5'}, {'NULL': True}]}}}

    Raises:
        ValueError: a number that DynamoDB cannot hold.
        TypeError: no value of JSON.
    """
    if value is None:
        return {"NULL": True}
    if isinstance(value, str):
        return {"S": str(value)}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": _number(value)}
    if isinstance(value, Mapping):
        return {"M": {_name(name): to_attribute(part) for name, part in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [to_attribute(part) for part in value]}
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def from_attribute(attribute: Attribute) -> Any:
    """The value of an attribute value.

    >>> from_attribute({"L": [{"N": "1"}, {"N": "5E-7"}]})
    [1, 5e-07]
    """
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "S" | "BOOL":
            return value
        case "N":
            return int(value) if value.lstrip("-").isdigit() else float(value)
        case "M":
            return {name: from_attribute(part) for name, part in value.items()}
        case "L":
            return [from_attribute(part) for part in value]
        case _:
            raise ValueError(f"no value of JSON is of DynamoDB's type {kind}")


def to_key(key: Key) -> dict[str, Attribute]:
    """The primary key as attributes.

    Raises:
        ValueError: a part of it is empty.
    """
    check_key(key)
    return {PK: {"S": key.pk}, SK: {"S": key.sk}}


def key_of(attributes: Mapping[str, Attribute]) -> Key:
    """The primary key of a stored item."""
    return Key(attributes[PK]["S"], attributes[SK]["S"])


def to_stored(key: Key, item: Item) -> dict[str, Attribute]:
    """An item with its key. Attributes of indexes that are None are left out: DynamoDB refuses
    them, and they place the item nowhere.

    Raises:
        ValueError, TypeError: it cannot be kept.
    """
    stored = to_key(key)
    for name, value in item.items():
        check_attribute(name, value)
        if value is not None or name not in INDEX_ATTRIBUTES:
            stored[name] = to_attribute(value)
    return stored


def from_stored(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """The item without its key."""
    return {
        name: from_attribute(value)
        for name, value in attributes.items()
        if name not in (PK, SK, TOUCHED)
    }


def check_attribute(name: str, value: Any) -> None:
    """Can an item have this attribute at its top?

    Raises:
        ValueError: it cannot.
    """
    if not name or name in (PK, SK, TOUCHED):
        raise ValueError(f"an item must not have an attribute {name!r}")
    check_placing(name, value)


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a name must be text, not {name!r}")
    return name


def _number(value: float) -> str:
    if isinstance(value, int):
        text = str(int(value))
        if len(text.lstrip("-").rstrip("0")) > _DIGITS:
            raise ValueError(f"{text} has more than {_DIGITS} digits")
        return text
    if not math.isfinite(value) or (value and not _LEAST <= abs(value) <= _MOST):
        raise ValueError(f"{value!r} is a number that DynamoDB cannot hold")
    return repr(float(value))
