"""Options that the command lines of pipelines share."""

from __future__ import annotations

from typing import Annotated

import typer

from faceflow_ml.errors import ConfigError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Of the pipeline; repeatable."),
]


def read_parameters(words: list[str] | None) -> dict[str, str]:
    """Values by name from ``NAME=VALUE`` words; ConfigError for any other."""
    values = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ConfigError(f"--parameter: expected NAME=VALUE, got {word!r}")
        values[name] = value
    return values
