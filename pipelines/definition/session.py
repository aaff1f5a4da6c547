"""A SageMaker session that builds definitions and never calls anything.

The SDK creates clients while it is imported and while steps are built. A client looks for a region
and for credentials, the latter over the network where it finds none; here it finds both, of no
account. Role checks and telemetry, which would call, are off.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagemaker.core.workflow.pipeline_context import PipelineSession

_TELEMETRY_OFF = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}
_NOBODY = {"aws_access_key_id": "offline", "aws_secret_access_key": "offline"}


@contextmanager
def offline_session(region: str, bucket: str) -> Iterator[PipelineSession]:
    """A `PipelineSession` for a ``with`` block in which definitions are built.

    region: of the pipeline. bucket: default for what a step does not place; never created here.
    """
    with _environment(region), _quiet():
        import boto3

        default = boto3.DEFAULT_SESSION
        boto3.setup_default_session(region_name=region, **_NOBODY)
        try:
            from sagemaker.core.workflow.pipeline_context import PipelineSession

            yield PipelineSession(
                boto_session=boto3.Session(region_name=region, **_NOBODY),
                default_bucket=bucket,
                sagemaker_config=_TELEMETRY_OFF,
            )
        finally:
            boto3.DEFAULT_SESSION = default


@contextmanager
def _environment(region: str) -> Iterator[None]:
    settings = {
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_VALIDATE_ROLE": "false",
        **{name.upper(): value for name, value in _NOBODY.items()},
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """The SDK tells of each field it leaves to the service; that is how definitions are."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
