"""`terraform apply` in an account of the emulator, and a second plan that finds nothing to change.

Minutes long, as AWS's provider waits for buckets to settle: it runs where FACEFLOW_APPLY is set.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.repositories.dynamo_schema import table_definition
from tests.infra.account import Account
from tests.infra.terraform import Terraform, Unavailable, prepare

FOLDER = "envs/emulated"

FORGOTTEN = {
    # What moto takes and does not give back.
    "aws_cognito_user_pool": {"user_pool_tier"},
    "aws_s3_bucket_notification": {"eventbridge"},
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


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """The modules that the emulator can take, made."""
    account = Account()
    try:
        try:
            terraform = prepare(tmp_path_factory.mktemp("apply"))
            place = terraform.root / FOLDER
            shutil.copytree(Path(__file__).with_name("emulated"), place)
            shutil.copy(terraform.root / "envs/dev/versions.tf", place)
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


def test_a_second_plan_changes_nothing(applied: Applied) -> None:
    found = applied.changes()
    assert {
        kind: names for kind, names in found.items() if names - FORGOTTEN.get(kind, set())
    } == {}


def test_a_change_by_hand_is_seen(applied: Applied) -> None:
    """The plan above could fail."""
    s3 = applied.account.client("s3")
    bucket = "faceflow-dev-raw-123456789012"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    found = applied.changes("-target=module.s3")
    assert found["aws_s3_bucket_versioning"] == {"versioning_configuration"}


def test_the_table_is_the_applications(applied: Applied) -> None:
    found = applied.account.client("dynamodb").describe_table(TableName="faceflow-dev")["Table"]
    wanted = table_definition("faceflow-dev")
    assert found["KeySchema"] == wanted["KeySchema"]
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        assert {one["IndexName"]: one["KeySchema"] for one in found[kind]} == {
            one["IndexName"]: one["KeySchema"] for one in wanted[kind]
        }


def test_roles_hold_what_terraform_wrote(applied: Applied) -> None:
    iam = applied.account.client("iam")
    names = {role["RoleName"] for role in iam.list_roles(MaxItems=1000)["Roles"]}
    assert {"faceflow-dev-api", "faceflow-dev-jobs", "faceflow-delivery-plan"} <= names
    policy = iam.get_role_policy(RoleName="faceflow-dev-extract", PolicyName="work")
    assert "s3:GetObject" in json.dumps(policy["PolicyDocument"])
