"""Creates or updates the pipeline on SageMaker, and starts an execution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from faceflow_ml.errors import FaceFlowError
from pipelines.aws import aws_failures, is_missing
from pipelines.config import PipelineConfig
from pipelines.definition.compile import compile_definition
from pipelines.local.execute import merge_parameters

_INLINE_BYTES = 1024 * 1024  # CreatePipeline takes no longer text in the request itself


def start_on_sagemaker(
    config: PipelineConfig, parameters: Mapping[str, str], client: Any = None
) -> str:
    """Upsert the compiled definition and start it; returns the execution's ARN.

    The definition is the one that ``compile`` writes and that runs locally, byte for byte.

    Raises:
        FaceFlowError: a parameter is wrong, or SageMaker refuses; its reason is in the message.
    """
    definition = compile_definition(config)
    merge_parameters(definition, parameters)  # checks names and types before anything is changed
    text = json.dumps(definition)
    if len(text.encode()) > _INLINE_BYTES:
        raise FaceFlowError(f"the definition has {len(text.encode())} bytes, over {_INLINE_BYTES}")
    with aws_failures():
        if client is None:
            import boto3

            client = boto3.Session(region_name=config.region).client("sagemaker")
        request = {
            "PipelineName": config.name,
            "PipelineDefinition": text,
            "RoleArn": config.role,
        }
        try:
            client.describe_pipeline(PipelineName=config.name)
        except ClientError as error:
            if not is_missing(error):
                raise
            client.create_pipeline(**request)
        else:
            client.update_pipeline(**request)
        started = client.start_pipeline_execution(
            PipelineName=config.name,
            PipelineParameters=[
                {"Name": name, "Value": value} for name, value in parameters.items()
            ],
        )
    return str(started["PipelineExecutionArn"])
