"""The homes of the ports. An adapter of another home runs through these tests unchanged: it adds
its name to the parameters of `home`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi.testclient import TestClient
from httpx2 import Client, Response
from pydantic import SecretStr

from api.aws import AwsSettings, open_aws_services
from api.home import open_services
from api.ids import new_id
from api.main import create_app
from api.objects.s3_store import Buckets, S3ObjectStore
from api.objects.signer import SignedUrl
from api.objects.store import ObjectStore
from api.repositories.dynamo_schema import table_definition
from api.repositories.dynamo_table import DynamoTable
from api.repositories.sqlite_table import SqliteTable
from api.repositories.table import Table
from api.services import Services
from api.settings import Settings
from tests.api.contract.edge import Edge
from tests.api.contract.emulator import REGION, Emulator


@dataclass(frozen=True)
class Home:
    """Ports of one home, empty.

    use: sends a request to a signed URL, with a body and further headers.
    refuses_the_unexpected: who takes uploads knows the photos. S3 does not: what nobody waits for
        is removed by whoever hears that it has arrived.
    """

    services: Services
    table: Table
    objects: ObjectStore
    use: Callable[..., Response]
    refuses_the_unexpected: bool


def local_home(folder: Path) -> Iterator[Home]:
    """One machine."""
    services = open_services(Settings(data=folder, web=folder / "none"))
    app = create_app(services=services)

    def use(signed: SignedUrl, content: bytes = b"", **headers: str) -> Response:
        sent = dict(signed.headers) | {name.replace("_", "-"): headers[name] for name in headers}
        return client.request(signed.method, signed.url, content=content, headers=sent)

    # Not entered: the ports are tested, not the worker.
    client = TestClient(app)
    yield Home(services, services.table, services.objects, use, refuses_the_unexpected=True)
    assert isinstance(services.table, SqliteTable)
    services.table.close()


@dataclass(frozen=True)
class Account:
    """An AWS account with what Terraform makes there, empty.

    edge: the distribution, which trusts the keys ``K1`` and ``K2``.
    secrets: ARNs of the secrets with their private keys.
    """

    emulator: Emulator
    edge: Edge
    settings: AwsSettings
    secrets: dict[str, str]


@pytest.fixture(scope="session")
def distribution_keys() -> dict[str, RSAPrivateKey]:
    """Keys of the trusted key group, by CloudFront's ids."""
    return {name: new_key() for name in ("K1", "K2")}


def new_key() -> RSAPrivateKey:
    """A key of a distribution."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def account(emulator: Emulator, distribution_keys: dict[str, RSAPrivateKey]) -> Iterator[Account]:
    """An account."""
    with open_account(emulator, distribution_keys) as made:
        yield made


@contextmanager
def open_account(
    emulator: Emulator, distribution_keys: dict[str, RSAPrivateKey]
) -> Iterator[Account]:
    """An account whose distribution trusts these keys; the first signs."""
    dynamodb, s3 = emulator.client("dynamodb"), emulator.client("s3")
    name = f"faceflow-{new_id().lower()}"
    dynamodb.create_table(**table_definition(name))
    buckets = Buckets(*(f"{name}-{kind}" for kind in ("raw", "derived", "embeddings", "exports")))
    for bucket in buckets.all():
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    # Where corrections go: of the models, with versions as Terraform has it.
    s3.create_bucket(
        Bucket=f"{name}-models", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    s3.put_bucket_versioning(Bucket=f"{name}-models", VersioningConfiguration={"Status": "Enabled"})
    emulator.client("sesv2").create_email_identity(EmailIdentity="example.com")
    edge = Edge(s3, buckets, {name: key.public_key() for name, key in distribution_keys.items()})
    private_keys = {
        name: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        for name, key in distribution_keys.items()
    }
    manager = emulator.client("secretsmanager")
    secrets = {
        key: manager.create_secret(Name=f"{name}-{key}", SecretString=pem)["ARN"]
        for key, pem in private_keys.items()
    }
    settings = AwsSettings(
        table=name,
        raw_bucket=buckets.raw,
        derived_bucket=buckets.derived,
        embeddings_bucket=buckets.embeddings,
        exports_bucket=buckets.exports,
        cdn_url=edge.url,
        url_signer_key_id=next(iter(secrets)),
        url_signer_secret=next(iter(secrets.values())),
        detection_endpoint="detection",
        embedding_endpoint="embedding",
        corrections_uri=f"s3://{name}-models/corrections",
    )
    yield Account(emulator, edge, settings, secrets)
    edge.stop()
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def aws_services(account: Account, tmp_path: Path) -> Iterator[Services]:
    """The ports on AWS."""
    settings = Settings(
        app_env="dev",
        data=tmp_path,
        signing_keys=SecretStr("k" * 32),
        jwt_issuer="https://issuer.example",
        sign_in_url="https://sign-in.example",
        mail_from="FaceFlow <photos@example.com>",
    )
    services = open_aws_services(settings, aws=account.settings, client=account.emulator.client)
    yield services
    assert isinstance(services.table, DynamoTable)
    assert isinstance(services.objects, S3ObjectStore)
    services.table.close()
    services.objects.close()


def aws_home(services: Services) -> Iterator[Home]:
    """AWS."""
    with Client(timeout=300) as client:

        def use(signed: SignedUrl, content: bytes = b"", **headers: str) -> Response:
            sent = dict(signed.headers)
            sent |= {name.replace("_", "-"): headers[name] for name in headers}
            return client.request(signed.method, signed.url, content=content, headers=sent)

        yield Home(services, services.table, services.objects, use, refuses_the_unexpected=False)


@pytest.fixture(params=["local", "aws"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """Each home in turn."""
    if request.param == "aws":
        yield from aws_home(request.getfixturevalue("aws_services"))
    else:
        yield from local_home(tmp_path)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """AWS on this machine."""
    running = Emulator()
    yield running
    running.stop()


@pytest.fixture
def dynamo_table(emulator: Emulator) -> Iterator[DynamoTable]:
    """An empty table on DynamoDB."""
    client = emulator.client("dynamodb")
    name = f"faceflow-{new_id()}"
    client.create_table(**table_definition(name))
    table = DynamoTable(client, name)
    yield table
    table.close()
    client.delete_table(TableName=name)


@pytest.fixture(params=["local", "aws"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Table]:
    """The table of each home."""
    if request.param == "aws":
        yield request.getfixturevalue("dynamo_table")
    else:
        sqlite = SqliteTable(tmp_path / "faceflow.db")
        yield sqlite
        sqlite.close()


@pytest.fixture
def store(home: Home) -> ObjectStore:
    """The object store of each home."""
    return home.objects
