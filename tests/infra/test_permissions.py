"""What the project asks of AWS is allowed, by the policies of production as they would be sent: of
the functions (tests/infra/uses.py), of the state machine (its own definition), of what these start,
and of the keys that everything is encrypted with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session

import pipelines
from tests.infra import asl
from tests.infra.terraform import resources
from tests.infra.uses import TABLE, USES

HERE = "eu-west-1:111122223333"
KEY = f"arn:aws:kms:{HERE}:key/"
MACHINE = f"arn:aws:states:{HERE}:stateMachine:faceflow-prod-ingestion"
EXECUTION = f"{MACHINE.replace(':stateMachine:', ':execution:')}:01A-01B-1"

Need = tuple[str, str]
"""An action, and the resource that it is for."""


def bucket(kind: str) -> str:
    return f"faceflow-prod-{kind}-111122223333"


OBJECT = {
    kind: f"arn:aws:s3:::{bucket(kind)}/tenant/alice/01A/x"
    for kind in ("raw", "derived", "embeddings", "exports")
} | {"models": f"arn:aws:s3:::{bucket('models')}/corrections/export/x"}

RESOURCES = {
    "cognito-idp": f"arn:aws:cognito-idp:{HERE}:userpool/eu-west-1_Mocked123",
    "sqs": f"arn:aws:sqs:{HERE}:faceflow-prod-jobs",
    "secretsmanager": f"arn:aws:secretsmanager:{HERE}:secret:mocked-AbCdEf",
    "ses": f"arn:aws:ses:{HERE}:identity/example.org",
    "sagemaker": f"arn:aws:sagemaker:{HERE}:endpoint/faceflow-embedding",
    "states": EXECUTION,
}
KEYS = {
    # What an action needs of which key besides; AWS says AccessDenied of the action.
    "s3:GetObject": ("data", "Decrypt"),
    "s3:PutObject": ("data", "Decrypt", "GenerateDataKey"),
    "sqs:ReceiveMessage": ("operations", "Decrypt"),
    "sqs:SendMessage": ("operations", "Decrypt", "GenerateDataKey"),
    "secretsmanager:GetSecretValue": ("operations", "Decrypt"),
    "states:DescribeExecution": ("operations", "Decrypt"),
    "states:StartExecution": ("operations", "Decrypt", "GenerateDataKey"),
    "states:StopExecution": ("operations", "Decrypt"),
    "states:SendTaskFailure": ("operations", "Decrypt", "GenerateDataKey"),
    "states:SendTaskSuccess": ("operations", "Decrypt", "GenerateDataKey"),
}
CONSUMES = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def needs(use: str) -> Iterator[Need]:
    """What IAM is asked when a function does something."""
    action, _, kind = use.partition(" ")
    service, _, operation = action.partition(":")
    if service == "s3":
        of_bucket = operation.startswith("ListBucket")
        yield action, f"arn:aws:s3:::{bucket(kind)}" if of_bucket else OBJECT[kind]
    elif action == "states:StartExecution":
        yield action, MACHINE
    elif service == "dynamodb":
        yield action, f"arn:aws:dynamodb:{HERE}:table/faceflow-prod"
        yield "kms:Decrypt", f"{KEY}table"
    else:
        yield action, RESOURCES[service]
    key, *operations = KEYS.get(action, ("",))
    for name in operations:
        yield f"kms:{name}", KEY + ("models" if kind == "models" else key)


def statements(state: dict[str, Any], *endings: str) -> list[dict[str, Any]]:
    """Of the policies of a role."""
    found = [
        statement
        for resource in resources(state, "aws_iam_role_policy")
        if resource["address"].endswith(endings)
        for statement in json.loads(resource["values"]["policy"])["Statement"]
    ]
    assert found, endings
    return found


def lacking(allowed: list[dict[str, Any]], wanted: Iterator[Need]) -> set[Need]:
    """What no statement allows. Conditions are taken to be met: they are of what is sent along."""
    return {
        (action, resource)
        for action, resource in wanted
        if not any(
            action in statement["Action"]
            and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
            for statement in allowed
        )
    }


@pytest.mark.parametrize("function", USES)
def test_functions_may_do_what_they_do(production: dict[str, Any], function: str) -> None:
    allowed = statements(production, f'function["{function}"]', f'runtime["{function}"]')
    wanted = {need for use in USES[function] | TABLE for need in needs(use)}
    wanted.add(("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/faceflow-prod"))
    wanted.add(("dynamodb:Query", f"arn:aws:dynamodb:{HERE}:table/faceflow-prod/index/GSI1"))
    for queue, consumer in (("ingestion", "ingest"), ("jobs", "jobs")):
        if function == consumer:
            wanted |= {(action, f"arn:aws:sqs:{HERE}:faceflow-prod-{queue}") for action in CONSUMES}
            wanted.add(("kms:Decrypt", f"{KEY}operations"))
    assert lacking(allowed, iter(wanted)) == set()


def test_the_task_may_do_what_the_function_does_and_answer(production: dict[str, Any]) -> None:
    allowed = statements(production, 'service["task"]')
    answers = {f"states:SendTask{what}" for what in ("Success", "Failure", "Heartbeat")}
    wanted = {need for use in USES["cluster"] | TABLE for need in needs(use)}
    wanted |= {(action, MACHINE) for action in answers}
    wanted |= {
        (f"kms:{operation}", f"{KEY}operations") for operation in KEYS["states:SendTaskSuccess"][1:]
    }
    assert lacking(allowed, iter(wanted)) == set()


CALLS = re.compile(r"_?(sagemaker|cloudwatch|events|client)\.(\w+)\(|_exists\(\s*\"(\w+)\"")
CLIENTS = {"client": "sagemaker", "": "sagemaker"}
PAGES = re.compile(r"get_paginator\(\"(\w+)\"\)")


def test_the_deployer_may_do_what_it_calls(production: dict[str, Any]) -> None:
    """By the text of what it is made of: every call of a client is an action of its policy."""
    files = ("deployment/endpoints.py", "deployment/events.py", "registry.py")
    text = "".join((Path(pipelines.__file__).parent / file).read_text() for file in files)
    called = {
        (CLIENTS.get(client, client), name or looked_for)
        for client, name, looked_for in CALLS.findall(text)
    }
    called |= {("sagemaker", name) for name in PAGES.findall(text)}
    operations = {
        (service, xform_name(name)): name
        for service in ("sagemaker", "cloudwatch", "events")
        for name in Session().get_service_model(service).operation_names
    }
    wanted = {f"{one[0]}:{operations[one]}" for one in called if one in operations}
    assert {"sagemaker:UpdateEndpoint", "sagemaker:ListModelPackages"} <= wanted
    # Models are tagged as they are made; alarms that turn an update back are looked at by it.
    wanted |= {"sagemaker:AddTags", "cloudwatch:DescribeAlarms", "iam:PassRole"}
    allowed = {
        action
        for statement in statements(production, 'function["deploy"]')
        for action in statement["Action"]
    }
    assert wanted <= allowed


def asked_by_states(definition: dict[str, Any]) -> Iterator[Need]:
    """What the role of the state machine is asked for, state by state."""
    yield from (("logs:CreateLogDelivery", "*"), ("logs:PutResourcePolicy", "*"))
    yield from ((f"kms:{name}", f"{KEY}operations") for name in ("Decrypt", "GenerateDataKey"))
    for _, state in asl.states(definition):
        given = state.get("Parameters", {})
        match state.get("Resource", "").partition(":states:::")[2]:
            case "lambda:invoke":
                yield "lambda:InvokeFunction", given["FunctionName"]
            case "sagemaker:createProcessingJob.sync":
                job = f"arn:aws:sagemaker:{HERE}:processing-job/faceflow-prod-1"
                rule = "StepFunctionsGetEventsForSageMakerProcessingJobsRule"
                disk = given["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"]
                for name in ("CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob"):
                    yield f"sagemaker:{name}", job
                yield "sagemaker:AddTags", job
                for name in ("PutRule", "PutTargets", "DescribeRule"):
                    yield f"events:{name}", f"arn:aws:events:{HERE}:rule/{rule}"
                yield "iam:PassRole", given["RoleArn"]
                yield "kms:CreateGrant", disk
            case "ecs:runTask.waitForTaskToken":
                family = given["TaskDefinition"]
                yield "ecs:RunTask", f"arn:aws:ecs:{HERE}:task-definition/{family}:7"
            case "dynamodb:updateItem":
                yield "dynamodb:UpdateItem", f"arn:aws:dynamodb:{HERE}:table/{given['TableName']}"
                yield from ((f"kms:{n}", f"{KEY}table") for n in ("Decrypt", "GenerateDataKey"))
        if state["Type"] == "Map" and "ItemReader" in state:
            yield "states:StartExecution", MACHINE
            child = f"{EXECUTION.rpartition(':')[0]}/{state['Label']}:1"
            yield from ((f"states:{n}Execution", child) for n in ("Describe", "Stop"))
            yield "s3:GetObject", OBJECT["derived"]
            # What the children answered, which may be large.
            parts = ("PutObject", "AbortMultipartUpload", "ListMultipartUploadParts")
            yield from ((f"s3:{name}", OBJECT["derived"]) for name in parts)
            yield from ((f"kms:{n}", f"{KEY}data") for n in ("Decrypt", "GenerateDataKey"))


def machine(production: dict[str, Any]) -> dict[str, Any]:
    (found,) = resources(production, "aws_sfn_state_machine")
    parsed: dict[str, Any] = json.loads(found["values"]["definition"])
    return parsed


def test_the_state_machine_may_do_what_its_states_say(production: dict[str, Any]) -> None:
    allowed = statements(production, 'service["states"]')
    wanted = set(asked_by_states(machine(production)))
    assert len({action for action, _ in wanted}) > 15
    assert lacking(allowed, iter(wanted)) == set()


def test_the_processing_job_may_read_and_write_its_places(production: dict[str, Any]) -> None:
    job = machine(production)["States"]["DetectLarge"]["Parameters"]
    disk = job["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"]
    assert disk == job["ProcessingOutputConfig"]["KmsKeyId"] == f"{KEY}data"
    image = job["AppSpecification"]["ImageUri"].split("/")[1].partition(":")[0]
    repository = f"arn:aws:ecr:{HERE}:repository/{image}"
    wanted = {
        ("s3:GetObject", OBJECT["raw"]),
        ("s3:GetObject", OBJECT["derived"]),
        ("s3:PutObject", OBJECT["derived"]),
        ("s3:ListBucket", f"arn:aws:s3:::{bucket('raw')}"),
        ("ecr:BatchGetImage", repository),
        ("ecr:GetAuthorizationToken", "*"),
        ("ec2:CreateNetworkInterface", "*"),
        ("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/aws/sagemaker/ProcessingJobs:x"),
    } | {
        (f"kms:{name}", f"{KEY}data")
        for name in ("CreateGrant", "Decrypt", "Encrypt", "GenerateDataKey")
    }
    assert lacking(statements(production, 'service["pipeline"]'), iter(wanted)) == set()


def test_services_may_use_the_key_of_operations(production: dict[str, Any]) -> None:
    (policy,) = [
        json.loads(key["values"]["policy"])
        for key in resources(production, "aws_kms_key")
        if key["address"].endswith("aws_kms_key.operations")
    ]
    allowed = {
        (service, action)
        for statement in policy["Statement"]
        for service in [statement["Principal"].get("Service", [])]
        for service in (service if isinstance(service, list) else [service])
        for action in statement["Action"]
    }
    # Rules send to queues, SES to a topic, a topic to a queue, alarms and the budget to a topic.
    for service in ("events", "sns", "ses", "cloudwatch", "budgets"):
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            assert (f"{service}.amazonaws.com", action) in allowed, service
    assert ("logs.eu-west-1.amazonaws.com", "kms:GenerateDataKey") in allowed
    # An encrypted state machine's log reaches its group in no other way.
    assert ("delivery.logs.amazonaws.com", "kms:Decrypt") in allowed


ENDPOINTS = {
    "cognito-idp": "cognito-idp",
    "events": "events",
    "s3": "s3",
    "dynamodb": "dynamodb",
    "sagemaker": "sagemaker.runtime",
    "secretsmanager": "secretsmanager",
    "ses": "email",
    "sqs": "sqs",
    "states": "states",
}
"""Of VPC endpoints, by IAM's names of services."""


def test_what_is_asked_from_the_vpc_has_an_endpoint_there(production: dict[str, Any]) -> None:
    there = {
        endpoint["values"]["service_name"].removeprefix("com.amazonaws.eu-west-1.")
        for endpoint in resources(production, "aws_vpc_endpoint")
    }
    asked = {use.partition(":")[0] for uses in USES.values() for use in uses | TABLE}
    # Besides: events of albums, the keys of the user pool, and images and logs of the task.
    asked.add("events")
    assert {ENDPOINTS[service] for service in asked} <= there
    assert {"cognito-idp", "ecr.api", "ecr.dkr", "logs"} <= there


def test_states_outlast_their_functions(production: dict[str, Any]) -> None:
    """Otherwise a chunk is begun again while the function is still at it."""
    timeouts = {
        function["values"]["function_name"]: function["values"]["timeout"]
        for function in resources(production, "aws_lambda_function")
    }
    found = 0
    for name, state in asl.states(asl.definition()):
        if state.get("Resource", "").endswith("lambda:invoke"):
            function = state["Parameters"]["FunctionName"].rpartition(":")[2]
            longest = timeouts[function.replace("-dev-", "-prod-")]
            assert state["TimeoutSeconds"] > longest, name
            found += 1
    assert found == 7
