"""The weekly start of a SageMaker pipeline: an EventBridge Scheduler schedule, upserted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_MAX_PARAMETERS = 200


class Schedule(BaseModel):
    """When which pipeline starts, with which parameters.

    Attributes:
        pipeline_arn: what is started.
        role_arn: with whose rights: it may ``sagemaker:StartPipelineExecution``.
        expression: ``cron(...)`` or ``rate(...)`` of EventBridge Scheduler.
        timezone: IANA name that the expression refers to.
        window_minutes: start at any time within so many minutes after; 0: on the dot.
        parameters: of the pipeline, by name.
        dead_letter_arn: SQS queue for starts that failed in spite of retries.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("faceflow-retrain-weekly", pattern=r"^[0-9A-Za-z_.-]{1,64}$")
    group: str = Field("default", pattern=r"^[0-9A-Za-z_.-]{1,64}$")
    pipeline_arn: str = Field(pattern=r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:pipeline/.+$")
    role_arn: str = Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$")
    expression: str = "cron(0 3 ? * MON *)"
    timezone: str = "UTC"
    window_minutes: int = Field(60, ge=0, le=1440)
    parameters: dict[str, str] = Field(default_factory=dict, max_length=_MAX_PARAMETERS)
    dead_letter_arn: str | None = Field(None, pattern=r"^arn:aws[a-z-]*:sqs:.+$")
    enabled: bool = True

    @field_validator("expression")
    @classmethod
    def _known_form(cls, value: str) -> str:
        if not re.fullmatch(r"cron\(\S+( \S+){5}\)|rate\(\d+ (minute|hour|day)s?\)", value):
            raise ValueError("must be cron(minutes hours day month weekday year) or rate(n days)")
        return value

    @field_validator("parameters")
    @classmethod
    def _known_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9](-*[A-Za-z0-9_])*", name):
                raise ValueError(f"{name!r} cannot be a pipeline's parameter")
        return value

    def to_request(self) -> dict[str, Any]:
        """Arguments of ``create_schedule`` and ``update_schedule``."""
        window: dict[str, Any] = {"Mode": "OFF"}
        if self.window_minutes:
            window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": self.window_minutes}
        target: dict[str, Any] = {
            "Arn": self.pipeline_arn,
            "RoleArn": self.role_arn,
            "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3},
            "SageMakerPipelineParameters": {
                "PipelineParameterList": [
                    {"Name": name, "Value": value}
                    for name, value in sorted(self.parameters.items())
                ]
            },
        }
        if self.dead_letter_arn is not None:
            target["DeadLetterConfig"] = {"Arn": self.dead_letter_arn}
        return {
            "Name": self.name,
            "GroupName": self.group,
            "Description": "Retrains FaceFlow's models from corrections",
            "ScheduleExpression": self.expression,
            "ScheduleExpressionTimezone": self.timezone,
            "FlexibleTimeWindow": window,
            "State": "ENABLED" if self.enabled else "DISABLED",
            "Target": target,
        }


Outcome = Literal["created", "updated", "unchanged"]


def upsert_schedule(client: Any, schedule: Schedule) -> Outcome:
    """Create the schedule, or make an existing one like it; may be repeated.

    Args:
        client: ``boto3.client("scheduler")``.
    """
    request = schedule.to_request()
    try:
        client.create_schedule(**request)
    except client.exceptions.ConflictException:
        found = client.get_schedule(Name=schedule.name, GroupName=schedule.group)
        if _holds(found, request):
            return "unchanged"
        client.update_schedule(**request)
        return "updated"
    return "created"


def remove_schedule(client: Any, name: str, group: str = "default") -> bool:
    """Remove it; False if there was none."""
    try:
        client.delete_schedule(Name=name, GroupName=group)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def _holds(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Is everything that is wanted there? The service adds defaults of its own."""
    for name, value in wanted.items():
        have = found.get(name)
        if isinstance(value, Mapping):
            if not isinstance(have, Mapping) or not _holds(have, value):
                return False
        elif have != value:
            return False
    # A dead-letter queue or a parameter that is no longer wanted.
    return not (
        set(found.get("DeadLetterConfig") or {}) - set(wanted.get("DeadLetterConfig") or {})
    )
