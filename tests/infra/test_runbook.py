"""RUNBOOK.md knows every alarm that Terraform makes, and no other."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.infra.terraform import resources

ROOT = Path(__file__).parents[2]
PARTS = ("Means", "First look", "Fix", "Roll back", "Data at risk")


def entries() -> dict[str, str]:
    """Text of each entry, by the patterns of its heading."""
    text = (ROOT / "RUNBOOK.md").read_text()
    section = text.split("\n## Alarms\n")[1].split("\n## ")[0]
    found = {}
    for entry in section.split("\n### ")[1:]:
        heading, _, body = entry.partition("\n")
        for name in re.findall(r"`([^`]+)`", heading):
            assert name not in found, f"{name} stands twice"
            found[name] = body
    return found


def test_every_entry_says_what_to_do() -> None:
    for name, body in entries().items():
        for part in PARTS:
            assert re.search(rf"^- \*\*{part}:\*\* \S", body, re.M), f"{name}: {part}"


def test_what_it_calls_exists() -> None:
    text = (ROOT / "RUNBOOK.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    called = set(re.findall(r"make ([a-z][a-z-]+)", text))
    assert called and called <= targets | {"it"}
    assert (ROOT / "tests/api/contract/test_restore_drill.py").is_file()


def test_the_alarms_have_entries_and_the_entries_alarms(production: dict[str, Any]) -> None:
    kinds = {"aws_cloudwatch_metric_alarm": "alarm_name", "aws_budgets_budget": "name"}
    alarms = {
        resource["values"][attribute].removeprefix("faceflow-prod-")
        for kind, attribute in kinds.items()
        for resource in resources(production, kind)
    }
    assert len(alarms) > 30
    known = entries()
    for alarm in alarms:
        matching = [name for name in known if fnmatch(alarm, name)]
        assert len(matching) == 1, f"{alarm}: {matching}"
    for name in known:
        assert any(fnmatch(alarm, name) for alarm in alarms), f"nothing rings {name}"


def test_what_must_be_watched_is_watched(production: dict[str, Any]) -> None:
    metrics = {
        metric["metric"][0]["metric_name"]
        for resource in resources(production, "aws_cloudwatch_metric_alarm")
        for metric in resource["values"]["metric_query"]
        if metric["metric"]
    } | {
        resource["values"]["metric_name"]
        for resource in resources(production, "aws_cloudwatch_metric_alarm")
    }
    assert metrics >= {
        "5XXError",
        "Latency",
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "ExecutionsFailed",
        "ModelLatency",
        "Invocation5XXErrors",
    }


PUBLISHED = {
    # Dimensions with which AWS publishes the metrics, of each service.
    ("AWS/ApiGateway", "5XXError"): {"ApiName"},
    ("AWS/ApiGateway", "Count"): {"ApiName"},
    ("AWS/ApiGateway", "Latency"): {"ApiName"},
    ("AWS/DynamoDB", "ReadThrottleEvents"): {"TableName"},
    # Not ThrottledRequests: its dimensions are the table and the operation.
    ("AWS/DynamoDB", "WriteThrottleEvents"): {"TableName"},
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Invocations"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): {"QueueName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/SageMaker", "Invocation5XXErrors"): {"EndpointName", "VariantName"},
    ("AWS/SageMaker", "Invocations"): {"EndpointName", "VariantName"},
    ("AWS/SageMaker", "ModelLatency"): {"EndpointName", "VariantName"},
    ("AWS/States", "ExecutionsFailed"): {"StateMachineArn"},
    ("AWS/States", "ExecutionsTimedOut"): {"StateMachineArn"},
}


def test_alarms_look_at_what_is_published(production: dict[str, Any]) -> None:
    """An alarm on dimensions that no metric has never rings: nothing is missing, it says."""
    looked_at = [
        metric
        for resource in resources(production, "aws_cloudwatch_metric_alarm")
        for metric in (
            [query["metric"][0] for query in resource["values"]["metric_query"] if query["metric"]]
            or [resource["values"]]
        )
    ]
    assert {(one["namespace"], one["metric_name"]) for one in looked_at} == set(PUBLISHED)
    for one in looked_at:
        assert set(one["dimensions"]) == PUBLISHED[one["namespace"], one["metric_name"]]
