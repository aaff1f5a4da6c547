"""Evaluates what a definition leaves open: ``Get``, ``Std:Join``, ``Std:JsonGet``, conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from faceflow_ml.errors import FaceFlowError

_PART = re.compile(r"\.?([A-Za-z0-9_-]+)|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[(\d+)\]")


class UndefinedError(FaceFlowError):
    """An expression asks for something that there is not."""


@dataclass(frozen=True)
class Scope:
    """What expressions can see.

    steps: properties of the steps that are done. property_file: text of a property file, by step
    and name.
    """

    parameters: Mapping[str, Any]
    execution: Mapping[str, str]
    steps: Mapping[str, Any]
    property_file: Callable[[str, str], str]


def evaluate(value: Any, scope: Scope) -> Any:
    """``value`` with every expression in it replaced by what it stands for.

    Raises:
        UndefinedError: an expression asks for something that there is not.

    >>> scope = Scope({"N": 3}, {}, {"A": {"Out": [{"Uri": "s3://b"}]}}, lambda step, name: "{}")
    >>> evaluate({"a": {"Get": "Steps.A.Out[0].Uri"}, "b": [{"Get": "Parameters.N"}]}, scope)
    {'a': 's3://b', 'b': [3]}
    >>> evaluate({"Std:Join": {"On": "/", "Values": ["x", {"Get": "Parameters.N"}]}}, scope)
    'x/3'
    """
    if isinstance(value, list):
        return [evaluate(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"}:
        return _get(value["Get"], scope)
    if set(value) == {"Std:Join"}:
        joined = value["Std:Join"]
        parts = evaluate(joined["Values"], scope)
        return str(joined["On"]).join(_text(part) for part in parts)
    if set(value) == {"Std:JsonGet"}:
        return _json_get(value["Std:JsonGet"], scope)
    return {key: evaluate(item, scope) for key, item in value.items()}


def holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    """Whether a condition of a condition step is true.

    Numbers compare with numbers and text with text; anything else is an error, as it is on
    SageMaker, not a false condition.

    Raises:
        UndefinedError: an expression asks for something that there is not.
        FaceFlowError: the two sides cannot be compared, or the type of condition is unknown.
    """
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Expression"], scope)
    if kind == "Or":
        return any(holds(inner, scope) for inner in condition["Conditions"])
    if kind == "In":
        values = evaluate(condition["Values"], scope)
        return bool(evaluate(condition["QueryValue"], scope) in values)
    if kind not in _COMPARE:
        raise FaceFlowError(f"unknown type of condition: {kind}")
    left = evaluate(condition["LeftValue"], scope)
    right = evaluate(condition["RightValue"], scope)
    if not (_is_number(left) and _is_number(right)) and type(left) is not type(right):
        raise FaceFlowError(f"{kind} cannot compare {left!r} with {right!r}")
    return bool(_COMPARE[kind](left, right))


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda left, right: bool(left == right),
    "GreaterThan": lambda left, right: bool(left > right),
    "GreaterThanOrEqualTo": lambda left, right: bool(left >= right),
    "LessThan": lambda left, right: bool(left < right),
    "LessThanOrEqualTo": lambda left, right: bool(left <= right),
}


def dig(tree: Any, path: str) -> Any:
    """What lies at ``A.B['key'][0]`` in ``tree``.

    Raises:
        UndefinedError: nothing does.
    """
    place = 0
    node = tree
    while place < len(path):
        match = _PART.match(path, place)
        if match is None:
            raise UndefinedError(f"not a path: {path}")
        place = match.end()
        key = next(group for group in match.groups() if group is not None)
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UndefinedError(f"there is no {path}: {key} is missing") from error
    return node


def _get(reference: str, scope: Scope) -> Any:
    home, _, rest = reference.partition(".")
    try:
        if home == "Parameters":
            return scope.parameters[rest]
        if home == "Execution":
            return scope.execution[rest]
    except KeyError as error:
        raise UndefinedError(f"there is no {reference}") from error
    step, _, path = rest.partition(".")
    if home != "Steps" or step not in scope.steps:
        raise UndefinedError(f"there is no {reference}: {step} was not executed")
    return dig(scope.steps[step], path)


def _json_get(wanted: Mapping[str, Any], scope: Scope) -> Any:
    _, step, _, name = wanted["PropertyFile"]["Get"].split(".", 3)
    text = scope.property_file(step, name)
    try:
        # NaN and Infinity are Python's, not JSON's: SageMaker would not read them either.
        document = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise FaceFlowError(f"property file {name} of {step} is not JSON: {error}") from error
    return dig(document, wanted["Path"])


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise FaceFlowError(f"cannot join {value!r} to text")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
