"""The homes of the ports. An adapter of another home runs through these tests unchanged: it adds
its function to `HOMES`, or to the homes of one port alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from api.home import open_services
from api.ids import new_id
from api.main import create_app
from api.objects.signer import SignedUrl
from api.objects.store import ObjectStore
from api.repositories.dynamo_schema import table_definition
from api.repositories.dynamo_table import DynamoTable
from api.repositories.sqlite_table import SqliteTable
from api.repositories.table import Table
from api.services import Services
from api.settings import Settings
from tests.api.contract.emulator import Emulator


@dataclass(frozen=True)
class Home:
    """Ports of one home, empty.

    use: sends a request to a signed URL, with a body and further headers.
    """

    services: Services
    table: Table
    objects: ObjectStore
    use: Callable[..., Response]


def local_home(folder: Path) -> Iterator[Home]:
    """One machine."""
    services = open_services(Settings(data=folder, web=folder / "none"))
    app = create_app(services=services)

    def use(signed: SignedUrl, content: bytes = b"", **headers: str) -> Response:
        sent = dict(signed.headers) | {name.replace("_", "-"): headers[name] for name in headers}
        return client.request(signed.method, signed.url, content=content, headers=sent)

    # Not entered: the ports are tested, not the worker.
    client = TestClient(app)
    yield Home(services, services.table, services.objects, use)
    assert isinstance(services.table, SqliteTable)
    services.table.close()


HOMES = {"local": local_home}


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """Each home in turn."""
    yield from HOMES[request.param](tmp_path)


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
