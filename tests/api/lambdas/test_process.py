"""A function as Lambda runs it: its own process, started by Lambda's runtime client."""

from __future__ import annotations

import json

import pytest

from api.settings import Settings
from tests.api.contract.conftest import Account
from tests.api.contract.emulator import ACCESS_KEY, SECRET_KEY
from tests.api.lambdas.process import FunctionProcess, environment_of

pytest.importorskip("awslambdaric", reason="Lambda's runtime client is not installed")

CPU_SECONDS = 10.0
"""Lambda allows ten for the initialisation, on more than half a core; the measured are about three,
see docs/benchmarks-lambda.md."""
ARN = "arn:aws:states:eu-central-1:123456789012:stateMachine:ingestion"


def test_a_stage_starts_in_time_and_fails_as_the_state_machine_expects(
    account: Account, cloud_settings: Settings
) -> None:
    aws = account.settings.model_copy(
        update={"state_machine_arn": ARN, "jobs_queue_url": "http://queue/jobs"}
    )
    keys = (ACCESS_KEY, SECRET_KEY)
    environment = environment_of(aws, cloud_settings, account.emulator.url, keys)
    function = FunctionProcess("api.lambdas.extract.handler", environment)
    try:
        assert function.started.wait(300)
        ids = {"userId": "u", "albumId": "a", "jobId": "j", "batch": "j-1"}
        cancelled = function.invoke(ids)
        taken = function.cpu_seconds()
        malformed = function.invoke({"userId": "u"})
    finally:
        said = function.stop()
    assert cancelled.error is not None and cancelled.error["errorType"] == "JobFailed", said
    assert cancelled.error["errorMessage"] == "cancelled"
    assert malformed.error is not None and malformed.error["errorType"] == "ValidationError"
    assert taken < CPU_SECONDS
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    metrics = [line for line in lines if "_aws" in line]
    assert any(line.get("JobFailed") == [1.0] for line in metrics), said
