"""The base of every request and response."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Schema(BaseModel):
    """JSON in camelCase, Python in snake_case."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, from_attributes=True
    )


class RequestBody(Schema):
    """A request: members that it does not have are refused."""

    model_config = ConfigDict(extra="forbid")
