"""The drill of RUNBOOK.md: an account loses rows and objects, and gets them back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api import aws as api_aws
from api.__main__ import app
from api.domain import consent
from api.jwt_tokens import load_tokens
from api.main import create_app
from api.objects.s3_store import Buckets
from api.repositories.table import Delete, Key, Put, query_all
from api.restore import Restored, restore
from api.services import Services
from api.settings import Settings
from tests.api.conftest import CardEngine
from tests.api.contract.conftest import Account, Home, aws_home
from tests.api.contract.test_whole_way import Person
from tests.api.ingestion.conftest import photo_bytes

VERSIONED = ("raw_bucket", "derived_bucket", "embeddings_bucket")
"""As Terraform has it; exports are made anew."""


@pytest.fixture
def people(
    account: Account, aws_services: Services, tmp_path: Path
) -> Iterator[tuple[Person, Person, Services]]:
    """Alice and Bob, in an account whose buckets keep versions."""
    for name in VERSIONED:
        account.emulator.client("s3").put_bucket_versioning(
            Bucket=getattr(account.settings, name),
            VersioningConfiguration={"Status": "Enabled"},
        )
    tokens = load_tokens(Settings(data=tmp_path / "issuer"))
    services = replace(aws_services, engine=CardEngine(), tokens=tokens)
    homes = aws_home(services)  # ends with its last reference
    home: Home = next(homes)
    with TestClient(create_app(services=services)) as client:
        alice, bob = (Person(client, home, tokens.issue(name)) for name in ("alice", "bob"))
        yield alice, bob, services


def make_album(person: Person, first: int) -> str:
    """Two photos of one person, who has a name."""
    album: str = person.ask("POST", "/albums", {"name": "Summer"}, 201)["id"]
    for n in range(first, first + 2):
        person.upload(album, f"{n}.jpg", photo_bytes(n))
    person.ask("POST", f"/albums/{album}/process")
    person.wait(album)
    (cluster,) = person.ask("GET", f"/albums/{album}/clusters")["clusters"]
    person.ask("POST", f"/albums/{album}/clusters/{cluster['id']}/label", {"name": "Zoë"})
    return album


def contents(person: Person, services: Services, album: str) -> dict[str, Any]:
    """All that the adapters say of an album: rows, and objects with their bytes."""
    objects = {
        info.key: services.objects.get(info.key)
        for info in services.objects.list_objects("tenant/alice/")
    }
    rows = dict(
        zip(sort_keys(services, album), query_all(services.table, f"ALBUM#{album}"), strict=True)
    )
    clusters = person.ask("GET", f"/albums/{album}/clusters")["clusters"]
    shown = [(one["id"], one["label"], one["size"], one["confidence"]) for one in clusters]
    return {"objects": objects, "rows": rows, "clusters": shown}


def sort_keys(services: Services, album: str) -> list[str]:
    return list(services.table.sort_keys(f"ALBUM#{album}"))


def lose_everything(services: Services, album: str) -> None:
    """As by a mistake in a program: the album's rows, and every object of its user."""
    services.table.delete_partition(f"ALBUM#{album}")
    found = [info.key for info in services.objects.list_objects("tenant/alice/")]
    services.objects.delete(found)
    services.memory.clear()


def bring_back(account: Account, at: datetime, **options: Any) -> Restored:
    one = account.settings
    buckets = Buckets(one.raw_bucket, one.derived_bucket, one.embeddings_bucket, one.exports_bucket)
    client = account.emulator.client
    return restore(client("dynamodb"), client("s3"), one.table, buckets, at, **options)


def test_an_album_comes_back_and_what_was_erased_does_not(
    account: Account, people: tuple[Person, Person, Services]
) -> None:
    alice, bob, services = people
    dynamodb = account.emulator.client("dynamodb")
    album, erased = make_album(alice, 0), make_album(bob, 10)
    before = contents(alice, services, album)
    assert len(before["rows"]) > 10 and len(before["objects"]) > 10
    backup = dynamodb.create_backup(TableName=account.settings.table, BackupName="drill")
    time.sleep(1.1)  # S3 knows seconds
    at = datetime.now(UTC)
    time.sleep(1.1)

    bob.erased()
    later = alice.ask("POST", "/albums", {"name": "Since then"}, 201)["id"]
    lose_everything(services, album)
    assert alice.ask("GET", f"/albums/{album}/clusters")["clusters"] == []

    arn = backup["BackupDetails"]["BackupArn"]
    done = bring_back(account, at, backup=arn)
    services.memory.clear()
    assert contents(alice, services, album) == before
    assert done.objects >= len(before["objects"]) and done.rows >= len(before["rows"])
    # Bob is not brought back, though the backup knows him; what is newer stays.
    assert done.left_out > 10
    assert sort_keys(services, erased) == [] and list(services.table.sort_keys("USER#bob")) == []
    assert list(services.objects.list_objects("tenant/bob/")) == []
    assert {one["id"] for one in alice.ask("GET", "/albums")["albums"]} == {album, later}

    # Once more, as after an interruption: nothing is left to do.
    again = bring_back(account, at, backup=arn)
    assert (again.rows, again.objects) == (0, 0)
    assert contents(alice, services, album) == before


ROW = Key("ALBUM#a", "FACE#1")


@pytest.fixture
def row(account: Account, aws_services: Services) -> Services:
    """A row of an album with an object."""
    aws_services.objects.put("tenant/u/a/thumb/p.jpg", b"x", "image/jpeg")
    aws_services.table.write(Put(ROW, {"right": True}))
    return aws_services


def test_wrong_rows_are_replaced_only_when_asked(account: Account, row: Services) -> None:
    dynamodb = account.emulator.client("dynamodb")
    made = dynamodb.create_backup(TableName=account.settings.table, BackupName="drill")
    arn = made["BackupDetails"]["BackupArn"]
    row.table.write(Put(ROW, {"wrong": True}))
    at = datetime.now(UTC)
    assert bring_back(account, at, backup=arn).rows == 0
    assert row.table.get(ROW) == {"wrong": True}
    assert bring_back(account, at, backup=arn, overwrite=True).rows == 1
    assert row.table.get(ROW) == {"right": True}


def test_consent_that_was_withdrawn_since_stays_withdrawn(account: Account, row: Services) -> None:
    dynamodb = account.emulator.client("dynamodb")
    consent.give(row, "u")
    made = dynamodb.create_backup(TableName=account.settings.table, BackupName="drill")
    arn = made["BackupDetails"]["BackupArn"]
    consent.withdraw(row, "u")
    row.table.write(Delete(ROW))
    for overwrite in (False, True):
        done = bring_back(account, datetime.now(UTC), backup=arn, overwrite=overwrite)
        assert (done.rows, done.left_out) == (1, 1)
        assert not consent.is_given(row, "u") and list(consent.users(row)) == []


def test_the_command(account: Account, row: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """By point-in-time recovery, which the emulator takes for a copy of what is there now."""
    for name, value in account.settings.model_dump().items():
        if value is not None:
            monkeypatch.setenv(f"FACEFLOW_{name.upper()}", str(value))
    monkeypatch.setattr(api_aws, "boto_clients", lambda: account.emulator.client)
    future = CliRunner().invoke(app, ["restore", "--at", "2999-01-01T00:00:00"])
    assert future.exit_code == 2 and "future" in future.output
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    backup = ["--backup", "arn:aws:dynamodb:eu-central-1:123456789012:table/t/backup/none"]
    refused = CliRunner().invoke(app, ["restore", "--at", now, *backup])
    assert refused.exit_code == 1 and "run it again" in refused.output
    done = CliRunner().invoke(app, ["restore", "--at", now, "--overwrite"])
    assert done.exit_code == 0, done.output
    table = account.settings.table
    assert f'"copy": "{table}-restored-' in done.output and '"rows": 1' in done.output
    monkeypatch.delenv("FACEFLOW_TABLE")
    unset = CliRunner().invoke(app, ["restore", "--at", now])
    assert unset.exit_code == 2 and "FACEFLOW_TABLE is not set" in unset.output


def test_what_s3_refuses_is_an_error(account: Account) -> None:
    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(account.emulator.client("s3"), name)

        def delete_objects(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObjects")

    s3, bucket = account.emulator.client("s3"), account.settings.raw_bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="tenant/u/a/1.jpg", Body=b"x")
    time.sleep(1.1)
    at = datetime.now(UTC)
    time.sleep(1.1)
    s3.delete_object(Bucket=bucket, Key="tenant/u/a/1.jpg")
    from api.restore import undelete

    with pytest.raises(ClientError):
        undelete(Refusing(), bucket, at)
    assert undelete(s3, bucket, at) == (1, {("u", "a")})
    assert s3.get_object(Bucket=bucket, Key="tenant/u/a/1.jpg")["Body"].read() == b"x"
    assert undelete(s3, bucket, at) == (0, {("u", "a")})
