"""What the OpenAPI document says beyond the routes themselves."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from api.server.problems import MEDIA_TYPE, Problem

DESCRIPTION = """
Upload photos, group the people in them, correct the groups, share.

Send `Authorization: Bearer <JWT>`. Ids are ULIDs. Lists page with `cursor`: pass the one of the
last answer until it is null. What goes wrong is an RFC 9457 problem document.
"""

# Declared for every route; that keeps FastAPI from adding its own form of validation errors.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


def describe(app: FastAPI) -> None:
    """Have the document define what its responses refer to."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]
