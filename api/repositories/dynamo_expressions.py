"""Writes as DynamoDB takes them: expressions, with names and values by placeholders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from api.repositories.dynamo_schema import PK, TOUCHED
from api.repositories.dynamo_values import (
    Attribute,
    check_attribute,
    to_attribute,
    to_key,
    to_stored,
)
from api.repositories.table import INDEX_ATTRIBUTES, Check, Delete, Expect, Put, Update, Write


@dataclass
class _Placeholders:
    """Names and values of one request, each under a short name of its own."""

    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Attribute] = field(default_factory=dict)

    def name(self, name: str) -> str:
        return self.names.setdefault(name, f"#n{len(self.names)}")

    def value(self, value: Any) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = to_attribute(value)
        return placeholder

    def arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if self.names:
            arguments["ExpressionAttributeNames"] = {
                placeholder: name for name, placeholder in self.names.items()
            }
        if self.values:
            arguments["ExpressionAttributeValues"] = self.values
        return arguments


def arguments_of(write: Write, table: str) -> dict[str, Any]:
    """Arguments of ``PutItem``, ``UpdateItem`` or ``DeleteItem``, or of an action of
    ``TransactWriteItems``.

    Raises:
        ValueError, TypeError: the item cannot be kept.
    """
    placeholders = _Placeholders()
    arguments: dict[str, Any] = {"TableName": table}
    match write:
        case Put():
            arguments["Item"] = to_stored(write.key, write.item)
        case Update():
            arguments["Key"] = to_key(write.key)
            arguments["UpdateExpression"] = _update(write, placeholders)
        case Delete() | Check():
            arguments["Key"] = to_key(write.key)
    if condition := _condition(write.expect, placeholders):
        arguments["ConditionExpression"] = condition
    return arguments | placeholders.arguments()


def _condition(expect: Expect, placeholders: _Placeholders) -> str:
    terms = []
    if expect.exists is not None:
        function = "attribute_exists" if expect.exists else "attribute_not_exists"
        terms.append(f"{function}({placeholders.name(PK)})")
    for attribute, value in expect.values.items():
        name = placeholders.name(attribute)
        term = f"{name} = {placeholders.value(value)}"
        terms.append(term if value is not None else f"(attribute_not_exists({name}) OR {term})")
    for attribute, limit in expect.at_most.items():
        name = placeholders.name(attribute)
        term = f"{name} <= {placeholders.value(limit)}"
        if limit >= 0:
            null = placeholders.value(None)
            term = f"({term} OR attribute_not_exists({name}) OR {name} = {null})"
        terms.append(term)
    return " AND ".join(terms)


def _update(write: Update, placeholders: _Placeholders) -> str:
    sets, removes, adds = [], [], []
    for attribute, value in write.changes.items():
        check_attribute(attribute, value)
        if attribute in write.add:
            continue
        name = placeholders.name(attribute)
        if value is None:
            removes.append(name)
        else:
            sets.append(f"{name} = {placeholders.value(value)}")
    for attribute, number in write.add.items():
        check_attribute(attribute, None)
        if attribute in INDEX_ATTRIBUTES:
            raise ValueError(f"{attribute} is text: nothing can be added to it")
        name = placeholders.name(attribute)
        if attribute in write.changes:
            total = (write.changes[attribute] or 0) + number
            sets.append(f"{name} = {placeholders.value(total)}")
        else:
            adds.append(f"{name} {placeholders.value(number)}")
    if not sets and not adds:
        sets.append(f"{placeholders.name(TOUCHED)} = {placeholders.value(True)}")
    clauses = {"SET": sets, "REMOVE": removes, "ADD": adds}
    return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)
