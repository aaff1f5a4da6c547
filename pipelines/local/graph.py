"""Which steps wait for which: read from the definition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.definition.check import all_steps, references


def dependencies(definition: dict[str, Any]) -> dict[str, set[str]]:
    """For each step by name, conditional ones included, the steps that it waits for.

    The steps of a condition wait for the condition.
    """
    found = {}
    for step in all_steps(definition["Steps"]):
        inner = step["Type"] != "Condition"
        asked = references(step["Arguments"], inner=inner)
        found[step["Name"]] = {
            reference.split(".")[1] for reference in asked if reference.startswith("Steps.")
        } | set(step.get("DependsOn", []))
    for step in all_steps(definition["Steps"]):
        for branch in branches(step):
            found[branch["Name"]].add(step["Name"])
    return found


def branches(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps directly inside a condition step."""
    if step["Type"] == "Condition":
        yield from step["Arguments"].get("IfSteps", [])
        yield from step["Arguments"].get("ElseSteps", [])


def not_chosen(step: dict[str, Any], outcome: bool) -> set[str]:
    """Names of the steps that a condition's outcome leaves out, with all inside them."""
    left_out = step["Arguments"].get("ElseSteps" if outcome else "IfSteps", [])
    return {inner["Name"] for inner in all_steps(left_out)}
