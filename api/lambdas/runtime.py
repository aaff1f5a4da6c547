"""What a function has open from one invocation to the next."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache

from aws_lambda_powertools.utilities.typing import LambdaContext

from api import events
from api.aws import (
    AwsSettings,
    Client,
    boto_clients,
    load_aws_settings,
    open_aws_services,
    open_aws_workflow,
    open_event_sink,
)
from api.services import Services
from api.settings import Settings, as_settings_error, read_settings
from api.workflow.context import Handlers
from api.workflow.step_functions import StepFunctionsWorkflow

_MARGIN_SECONDS = 10.0
"""Before its time is up a function stops, so that it can still say so."""


@dataclass(frozen=True)
class Runtime:
    """The ports, the workflow, and where they are. ``client`` makes clients of further services."""

    services: Services
    workflow: StepFunctionsWorkflow
    aws: AwsSettings
    client: Client


@cache
def runtime() -> Runtime:
    """What the environment describes, opened at the first call.

    Raises:
        SettingsError: a setting is missing or impossible.
    """
    with as_settings_error():
        settings, aws = read_settings(), load_aws_settings()
        opened = open_runtime(settings, aws, cache(boto_clients()), _handlers())
        events.forward(open_event_sink(aws=opened.aws, client=opened.client))
    return opened


def open_runtime(
    settings: Settings, aws: AwsSettings, client: Client, handlers: Handlers
) -> Runtime:
    """The ports and the workflow of a function.

    Raises:
        ValueError: a setting is missing.
    """
    services = open_aws_services(settings, aws=aws, client=client, deferred=True)
    workflow = open_aws_workflow(services, handlers, aws=aws, client=client)
    if workflow is None:
        raise ValueError("FACEFLOW_STATE_MACHINE_ARN and FACEFLOW_JOBS_QUEUE_URL are not set")
    return Runtime(services, workflow, aws, client)


def deadline(context: LambdaContext) -> float:
    """When this invocation has to stop, of ``time.monotonic``."""
    left = context.get_remaining_time_in_millis() / 1000
    return time.monotonic() + max(left - _MARGIN_SECONDS, left / 2)


def _handlers() -> Handlers:
    # Only the function of jobs does them; loading them all takes the others too long.
    if not os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "-jobs").endswith("-jobs"):
        return {}
    from api.handlers import job_handlers

    return job_handlers()
