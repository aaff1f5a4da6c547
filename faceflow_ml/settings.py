"""Settings that come from the environment: read by pydantic, refused in one line.

What is wrong is told by the variable's name, what it was given, and what is allowed. A secret's
value is never told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from faceflow_ml.errors import SettingsError

_SHOWN = 80
"""Characters of a value that are told."""

_PREAMBLE = r"^(Value error, |Input |String )"

Model = TypeVar("Model", bound=BaseModel)


def load_settings(kind: type[Model], names: Mapping[str, str] | None = None, **given: Any) -> Model:
    """Read settings from wherever ``kind`` has them from: a ``BaseSettings`` of pydantic-settings
    looks into the environment.

    Args:
        names: what fields are called in messages, in place of their variables.
        given: values that go before the environment's.

    Raises:
        SettingsError: some are missing or impossible; one line names them all.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        told_as = variables(kind) | dict(names or {})
        hidden = {name for name, field in kind.model_fields.items() if _is_secret(field)}
        told = explain(error, lambda place: told_as.get(place, place), kind, hidden)
        # Not chained: pydantic's own words hold the values.
        raise SettingsError(told) from None


def explain(
    error: ValidationError,
    name: Callable[[str], str] = str,
    kind: type[BaseModel] | None = None,
    hidden: frozenset[str] | set[str] = frozenset(),
) -> str:
    """One line about everything that a model refuses.

    Args:
        name: what a field is called; of its dotted place.
        kind: the model; where a pattern is missed, the example of its field is told.
        hidden: fields whose values are not told.

    >>> class Server(BaseModel):
    ...     port: int
    >>> try:
    ...     Server(port="http")
    ... except ValidationError as error:
    ...     print(explain(error))
    port is 'http'; it should be a valid integer, unable to parse string as an integer
    """
    return "; ".join(
        _sentence(one, name, kind, hidden)
        for one in error.errors(include_url=False, include_context=False)
    )


def _sentence(
    one: Mapping[str, Any],
    name: Callable[[str], str],
    kind: type[BaseModel] | None,
    hidden: frozenset[str] | set[str],
) -> str:
    first = str(one["loc"][0]) if one["loc"] else ""
    place = name(first) + "".join(f".{part}" for part in one["loc"][1:])
    message = " ".join(re.sub(_PREAMBLE, "", str(one["msg"])).split())
    if not place:  # about several together: the message names them
        return message
    if one["type"] == "missing":
        return f"{place} is not set"
    if one["type"] == "extra_forbidden":
        return f"there is no {place}"
    field = kind.model_fields.get(first) if kind is not None else None
    if one["type"] == "string_pattern_mismatch" and field is not None and field.examples:
        message = f"should be like {field.examples[0]}"
    if message.startswith("should"):
        message = f"it {message}"
    given = one["input"]
    if first in hidden or not isinstance(given, str | int | float):
        return f"{place}: {message}"
    shown = repr(given) if len(repr(given)) <= _SHOWN else f"{repr(given)[:_SHOWN]}..."
    return f"{place} is {shown}; {message}"


def variables(kind: type[BaseModel]) -> dict[str, str]:
    """The variables of fields, by the names that pydantic's errors have for them; without those
    that have an alias, which is the variable itself."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    return {
        name: f"{prefix}{name}".upper()
        for name, field in kind.model_fields.items()
        if field.validation_alias is None
    }


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))
