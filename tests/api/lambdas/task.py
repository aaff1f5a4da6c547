"""The task on Fargate with the engine of the tests: ``python -m tests.api.lambdas.task``."""

from __future__ import annotations

import sys

from api.aws import boto_clients, load_aws_settings, open_aws_services, open_aws_workflow
from api.lambdas import cluster, runtime
from api.settings import Settings
from tests.api.conftest import CardEngine


def open_task() -> runtime.Runtime:
    """As `runtime.runtime`, but for the engine."""
    aws, client = load_aws_settings(), boto_clients()
    services = open_aws_services(Settings(), CardEngine(), aws=aws, client=client, deferred=True)
    workflow = open_aws_workflow(services, {}, aws=aws, client=client)
    assert workflow is not None
    return runtime.Runtime(services, workflow, aws, client)


if __name__ == "__main__":
    opened = open_task()
    runtime.runtime = lambda: opened  # type: ignore[assignment]
    sys.exit(cluster.main())
