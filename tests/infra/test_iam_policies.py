"""Every policy of production, as it would be sent to AWS: least privilege."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.terraform import resources

UNBOUND = {
    # Actions that IAM binds to no resource, by the Service Authorization Reference.
    "cloudwatch:PutMetricData",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:UnassignPrivateIpAddresses",
    "ecr:GetAuthorizationToken",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z]+")
FUNCTIONS = {
    "api",
    "sockets",
    "ingest",
    "extract",
    "deduplicate",
    "detect",
    "embed",
    "cluster",
    "notify",
    "jobs",
    "deploy",
}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(state: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in resources(state, kind):
        document = json.loads(resource["values"]["policy"])
        assert document["Version"] == "2012-10-17"
        for statement in listed(document["Statement"]):
            yield resource["address"], statement


def test_roles_do_only_what_is_named(production: dict[str, Any]) -> None:
    found = list(statements(production, "aws_iam_role_policy"))
    assert len(found) > 50
    for address, statement in found:
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement and "NotResource" not in statement
        for action in listed(statement["Action"]):
            assert ACTION.fullmatch(action), f"{address}: {action}"


def test_resources_are_named(production: dict[str, Any]) -> None:
    for address, statement in statements(production, "aws_iam_role_policy"):
        for resource in listed(statement["Resource"]):
            if resource == "*":
                assert set(listed(statement["Action"])) <= UNBOUND, address
            else:
                assert re.match(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:.+", resource), address
                # Not everything that a service has.
                assert resource.split(":", 5)[5] != "*", f"{address}: {resource}"


def test_roles_are_passed_to_one_service(production: dict[str, Any]) -> None:
    passing = [
        statement
        for _, statement in statements(production, "aws_iam_role_policy")
        if "iam:PassRole" in listed(statement["Action"])
    ]
    assert passing
    for statement in passing:
        assert statement["Action"] in ("iam:PassRole", ["iam:PassRole"])
        assert statement["Condition"]["StringEquals"]["iam:PassedToService"].endswith(".com")


def test_each_function_has_its_own_role(production: dict[str, Any]) -> None:
    names = {r["values"]["name"] for r in resources(production, "aws_iam_role")}
    assert names >= {f"faceflow-prod-{name}" for name in FUNCTIONS}
    functions = {r["values"]["function_name"] for r in resources(production, "aws_lambda_function")}
    assert functions == {f"faceflow-prod-{name}" for name in FUNCTIONS}


def test_only_services_take_on_roles(production: dict[str, Any]) -> None:
    for role in resources(production, "aws_iam_role"):
        for statement in json.loads(role["values"]["assume_role_policy"])["Statement"]:
            assert statement["Action"] == "sts:AssumeRole"
            assert statement["Principal"].keys() == {"Service"}
            assert statement["Principal"]["Service"].endswith(".amazonaws.com")


RESOURCE_POLICIES = (
    "aws_s3_bucket_policy",
    "aws_sqs_queue_policy",
    "aws_sns_topic_policy",
    "aws_ecr_repository_policy",
    "aws_kms_key",
)


@pytest.mark.parametrize("kind", RESOURCE_POLICIES)
def test_nobody_else_is_let_in(production: dict[str, Any], kind: str) -> None:
    """Policies of resources allow services, for our account or one of our resources."""
    found = 0
    for resource in resources(production, kind):
        # A key without a policy of its own gets AWS's: the account administers it.
        policy = resource["values"]["policy"]
        if not policy.startswith("{"):
            continue
        for statement in listed(json.loads(policy)["Statement"]):
            found += 1
            principal = statement["Principal"]
            if statement["Effect"] == "Deny":
                assert principal == "*"
            elif kind == "aws_kms_key" and "AWS" in principal:
                # As AWS has it: IAM policies of the account decide.
                assert principal["AWS"] == "arn:aws:iam::111122223333:root"
            else:
                assert principal.keys() == {"Service"}, resource["address"]
                assert "111122223333" in json.dumps(statement["Condition"]) or (
                    "arn:aws:" in json.dumps(statement["Condition"])
                ), resource["address"]
                assert "*" not in listed(statement["Action"])
    assert found


def test_all_is_encrypted_with_our_keys(production: dict[str, Any]) -> None:
    places = {
        "aws_cloudwatch_log_group": "kms_key_id",
        "aws_lambda_function": "kms_key_arn",
        "aws_secretsmanager_secret": "kms_key_id",
        "aws_sns_topic": "kms_master_key_id",
        "aws_sqs_queue": "kms_master_key_id",
    }
    for kind, attribute in places.items():
        found = list(resources(production, kind))
        assert found
        for resource in found:
            assert resource["values"][attribute].startswith("arn:aws:kms:"), resource["address"]
    for key in resources(production, "aws_kms_key"):
        assert key["values"]["enable_key_rotation"]
