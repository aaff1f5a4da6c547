"""From a configuration to the definition's JSON, without credentials or network."""

from __future__ import annotations

import json
from typing import Any

from pipelines.config import PipelineConfig
from pipelines.definition.build import build_pipeline
from pipelines.definition.check import check_definition
from pipelines.definition.session import offline_session


def compile_definition(config: PipelineConfig) -> dict[str, Any]:
    """The pipeline definition (schema version 2020-12-01), checked.

    Equal configurations give equal definitions.

    Raises:
        DefinitionError: the definition is not one that SageMaker would take.
    """
    bucket = config.store.removeprefix("s3://").partition("/")[0]
    with offline_session(config.region, bucket) as session:
        definition: dict[str, Any] = json.loads(build_pipeline(config, session).definition())
    check_definition(definition)
    return definition


def to_json(definition: dict[str, Any]) -> str:
    """The text that is written to a file, and golden in the tests."""
    return json.dumps(definition, indent=2) + "\n"
