"""`terraform apply` in an account of the emulator, and a second plan that finds nothing to change.

Twice: what is there first (delivery, network, table, buckets, users, roles), and what the
application runs in (queues, functions, state machine, APIs, CloudFront, models, alarms). Minutes
long, as AWS's provider waits for buckets to settle: it runs where FACEFLOW_APPLY is set.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto.core import DEFAULT_ACCOUNT_ID

from api.repositories.dynamo_schema import table_definition
from tests.api.contract.emulator import REGION
from tests.infra.account import Account
from tests.infra.terraform import Terraform, Unavailable, prepare

FOLDER = "envs/emulated"

FORGOTTEN = {
    # What moto takes and does not give back.
    "aws_cognito_user_pool": {"user_pool_tier"},
    "aws_s3_bucket_notification": {"eventbridge"},
    "aws_sagemaker_domain": {"tag_propagation"},
    "aws_vpc_security_group_egress_rule": {"description"},
    "aws_vpc_security_group_ingress_rule": {"description"},
}

pytestmark = pytest.mark.skipif(
    "FACEFLOW_APPLY" not in os.environ,
    reason="minutes long: FACEFLOW_APPLY=1 applies the modules to the emulator",
)


@dataclass(frozen=True)
class Applied:
    """The account after an apply."""

    account: Account
    terraform: Terraform

    def changes(self, *words: str) -> dict[str, set[str]]:
        """Attributes that a plan would change, by kind of resource; all of one that is new."""
        status, said = self.run("plan", "-out=plan", *words)
        assert status == 0, said
        shown = self.terraform.run("show", "-json", "plan", folder=FOLDER)
        found: dict[str, set[str]] = {}
        for resource in json.loads(shown.stdout)["resource_changes"]:
            change = resource["change"]
            if change["actions"] not in (["no-op"], ["read"]):
                before, after = change["before"] or {}, change["after"] or {}
                names = {name for name in before | after if before.get(name) != after.get(name)}
                found.setdefault(resource["type"], set()).update(names)
        return found

    def run(self, *words: str) -> tuple[int, str]:
        done = self.terraform.run(
            *words, "-input=false", "-no-color", f"-var=url={self.account.url}", folder=FOLDER
        )
        return done.returncode, done.stdout + done.stderr


@contextmanager
def apply(modules: str, folder: Path) -> Iterator[Applied]:
    """The modules of a configuration under ``emulated``, made in an account of their own."""
    account = Account()
    try:
        try:
            terraform = prepare(folder)
            place = terraform.root / FOLDER
            shutil.copytree(Path(__file__).parent / "emulated" / modules, place)
            shutil.copy(terraform.root / "envs/dev/versions.tf", place)
            (place / "signer.pem").write_bytes(public_key())
            terraform.init(FOLDER)
        except Unavailable as missing:
            pytest.skip(str(missing))
        done = Applied(account, terraform)
        status, said = done.run("apply", "-auto-approve")
        assert status == 0, said
        assert not account.lacking
        yield done
    finally:
        account.stop()


def public_key() -> bytes:
    """A key for signed URLs, as CloudFront takes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def drift(applied: Applied) -> dict[str, set[str]]:
    """What a second plan would change, and what the emulator forgot apart."""
    found = applied.changes()
    return {kind: names for kind, names in found.items() if names - FORGOTTEN.get(kind, set())}


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """What is there first."""
    with apply("foundation", tmp_path_factory.mktemp("foundation")) as done:
        yield done


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """What the application runs in."""
    with apply("application", tmp_path_factory.mktemp("application")) as done:
        yield done


def test_a_second_plan_changes_nothing(foundation: Applied) -> None:
    assert drift(foundation) == {}


def test_a_change_by_hand_is_seen(foundation: Applied) -> None:
    """The plan above could fail."""
    s3 = foundation.account.client("s3")
    bucket = "faceflow-dev-raw-123456789012"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    found = foundation.changes("-target=module.s3")
    assert found["aws_s3_bucket_versioning"] == {"versioning_configuration"}


def test_the_table_is_the_applications(foundation: Applied) -> None:
    found = foundation.account.client("dynamodb").describe_table(TableName="faceflow-dev")["Table"]
    wanted = table_definition("faceflow-dev")
    assert found["KeySchema"] == wanted["KeySchema"]
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        assert {one["IndexName"]: one["KeySchema"] for one in found[kind]} == {
            one["IndexName"]: one["KeySchema"] for one in wanted[kind]
        }


def test_roles_hold_what_terraform_wrote(foundation: Applied) -> None:
    iam = foundation.account.client("iam")
    names = {role["RoleName"] for role in iam.list_roles(MaxItems=1000)["Roles"]}
    assert {"faceflow-dev-api", "faceflow-dev-jobs", "faceflow-delivery-plan"} <= names
    policy = iam.get_role_policy(RoleName="faceflow-dev-extract", PolicyName="work")
    assert "s3:GetObject" in json.dumps(policy["PolicyDocument"])


def test_a_second_plan_of_the_application_changes_nothing(application: Applied) -> None:
    assert drift(application) == {}


def test_the_state_machine_is_the_projects(application: Applied) -> None:
    states = application.account.client("stepfunctions")
    arn = f"arn:aws:states:{REGION}:{DEFAULT_ACCOUNT_ID}:stateMachine:faceflow-dev-ingestion"
    found = states.describe_state_machine(stateMachineArn=arn)
    definition = json.loads(found["definition"])
    assert definition["StartAt"] == "Extract" and "${" not in found["definition"]
    assert found["tracingConfiguration"] == {"enabled": True}


def test_queues_lead_to_functions_and_rules_to_queues(application: Applied) -> None:
    mappings = application.account.client("lambda").list_event_source_mappings()
    assert {
        (found["EventSourceArn"].rpartition(":")[2], found["FunctionArn"].rpartition(":")[2])
        for found in mappings["EventSourceMappings"]
    } == {
        ("faceflow-dev-ingestion", "faceflow-dev-ingest"),
        ("faceflow-dev-jobs", "faceflow-dev-jobs"),
    }
    events = application.account.client("events")
    (target,) = events.list_targets_by_rule(Rule="faceflow-dev-uploaded")["Targets"]
    assert target["Arn"].endswith(":faceflow-dev-ingestion")


def test_an_alarm_tells_the_topic(application: Applied) -> None:
    cloudwatch = application.account.client("cloudwatch")
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix="faceflow-dev-")["MetricAlarms"]
    assert len(alarms) > 30
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {
        (f"arn:aws:sns:{REGION}:{DEFAULT_ACCOUNT_ID}:faceflow-dev-alarms",)
    }
