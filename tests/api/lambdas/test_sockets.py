"""Connections of clients: who may listen to what, what they are told, and that they go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from api import events
from api.domain import albums
from api.domain.models import Album, Job, JobKind, Record
from api.event_bus import EventBus
from api.ids import new_id, now
from api.jwt_tokens import load_tokens
from api.lambdas import sockets
from api.repositories.dynamo_table import DynamoTable
from api.repositories.table import EXPIRY, Key, Put
from api.services import Services
from api.settings import Settings
from api.workflow.slots import Slot
from tests.api.contract.conftest import dynamo_table
from tests.api.contract.emulator import REGION, Emulator
from tests.api.contract.loopback import Loopback
from tests.api.lambdas.albums import local
from tests.api.lambdas.cloud import Context

__all__ = ["dynamo_table"]


class Gateway(Loopback):
    """API Gateway's management of connections: ``open`` ones get messages, others are gone."""

    def __init__(self) -> None:
        self.open: dict[str, list[Any]] = {}
        super().__init__()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        connection = environ["PATH_INFO"].removeprefix("/main/@connections/")
        if connection not in self.open:
            start("410 Gone", [("x-amzn-ErrorType", "GoneException")])
            return [b"{}"]
        self.open[connection].append(json.loads(body))
        start("200 OK", [])
        return [b""]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.stop()


@pytest.fixture
def issuer(tmp_path: Path) -> Services:
    """Issues tokens; its table is not used."""
    return local(tmp_path / "issuer")


@pytest.fixture
def opened(
    emulator: Emulator,
    dynamo_table: DynamoTable,
    gateway: Gateway,
    issuer: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> sockets.Sockets:
    made = sockets.Sockets(dynamo_table, issuer.tokens, _at(f"{gateway.url}/main"))
    monkeypatch.setattr(sockets, "sockets", lambda: made)
    return made


def _at(url: str) -> Any:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


@pytest.fixture
def album(opened: sockets.Sockets) -> Album:
    """An album of alice."""
    made = Album(id=new_id(), user_id="alice", name="Summer", created_at=now())
    opened.table.write_many([_put(made)])
    return made


def _put(record: Record) -> Put:
    return Put(record.key(), record.to_item())


def route(key: str, connection: str, **query: str) -> int:
    event = {
        "requestContext": {"routeKey": key, "connectionId": connection},
        "queryStringParameters": query or None,
    }
    return int(sockets.handler(event, Context("sockets"))["statusCode"])


def push(album: Album, kind: str) -> int:
    detail = {"albumId": album.id, "kind": kind, "data": {"n": 1}}
    event = {"source": "faceflow.api", "detail-type": "Album Event", "detail": detail}
    return int(sockets.handler(event, Context("sockets"))["told"])


def test_the_owner_listens_until_the_end(
    opened: sockets.Sockets, gateway: Gateway, issuer: Services, album: Album
) -> None:
    token = issuer.tokens.issue("alice")
    for connection in ("one=", "two="):
        gateway.open[connection] = []
        assert route("$connect", connection, album=album.id, token=token) == 200
    assert push(album, "people") == 2
    assert gateway.open["one="] == gateway.open["two="] == [{"kind": "people", "data": {"n": 1}}]
    assert route("$disconnect", "one=") == 200
    del gateway.open["two="]  # its end was never told
    assert push(album, "people") == 0
    assert list(opened.table.sort_keys(f"ALBUM#{album.id}")) == []
    assert route("$disconnect", "two=") == 200


def test_others_connect_to_nothing(
    opened: sockets.Sockets, gateway: Gateway, issuer: Services, album: Album, tmp_path: Path
) -> None:
    mallory, alice = issuer.tokens.issue("mallory"), issuer.tokens.issue("alice")
    forged = load_tokens(Settings(data=tmp_path / "forger")).issue("alice")
    gateway.open["m="] = []
    assert route("$connect", "m=", album=album.id, token=mallory) == 404
    assert route("$connect", "m=", album=album.id, token=forged) == 401
    assert route("$connect", "m=", album=album.id, token="") == 401
    assert route("$connect", "m=") == 401
    assert route("$connect", "m=", album=new_id(), token=alice) == 404
    assert route("$connect", "m=", album="../x", token=alice) == 404
    assert route("$default", "m=") == 200
    assert push(album, "people") == 0
    assert gateway.open["m="] == []
    assert list(opened.table.sort_keys(f"ALBUM#{album.id}")) == []


def test_a_client_that_says_something_is_told_the_latest_job(
    opened: sockets.Sockets, gateway: Gateway, issuer: Services, album: Album
) -> None:
    gateway.open["one="] = []
    route("$connect", "one=", album=album.id, token=issuer.tokens.issue("alice"))
    assert route("$default", "one=") == 200
    assert gateway.open["one="] == []
    moment = now()
    job = Job(
        id=new_id(),
        kind=JobKind.INGEST,
        user_id="alice",
        album_id=album.id,
        created_at=moment,
        updated_at=moment,
        progress=0.25,
    )
    slot = Slot(kind=job.kind, user_id="alice", album_id=album.id, subject="", job_id=job.id)
    opened.table.write_many([_put(job), _put(slot)])
    assert route("$default", "one=") == 200
    (told,) = gateway.open["one="]
    assert told["kind"] == "job" and told["data"]["progress"] == 0.25
    assert "userId" not in told["data"]


def test_connections_vanish_by_themselves(
    opened: sockets.Sockets, gateway: Gateway, issuer: Services, album: Album
) -> None:
    gateway.open["one="] = []
    route("$connect", "one=", album=album.id, token=issuer.tokens.issue("alice"))
    key = Key(f"ALBUM#{album.id}", "SOCKET#one=")
    row = dict(opened.table.get(key) or {})
    assert 7200 < row[EXPIRY] - time.time() < 9000
    # DynamoDB removes rows some time after their end, not at it.
    opened.table.write(Put(key, row | {EXPIRY: int(time.time()) - 1}))
    assert push(album, "people") == 0 and gateway.open["one="] == []


def test_what_happens_in_an_album_reaches_the_bus(emulator: Emulator, tmp_path: Path) -> None:
    bus, queue = emulator.client("events"), emulator.client("sqs")
    name = f"faceflow-{new_id().lower()}"
    bus.create_event_bus(Name=name)
    url = queue.create_queue(QueueName=name)["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {"source": ["faceflow.api"], "detail-type": ["Album Event"]}
    bus.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps(pattern))
    targets = [{"Id": "queue", "Arn": arn["QueueArn"]}]
    bus.put_targets(Rule=name, EventBusName=name, Targets=targets)
    services = local(tmp_path / "home")
    album = albums.create(services, "alice", "Summer", keep_originals=True, linked=False)
    events.forward(EventBus(bus, name))
    try:
        events.publish(album.id, events.Event("photos", {"added": ["p"]}))
        # A bus that is not there holds nothing up.
        events.forward(EventBus(_refusing(emulator), name))
        events.publish(album.id, events.Event("people"))
    finally:
        events.forward(None)
        services.table.close()
    (message,) = queue.receive_message(QueueUrl=url)["Messages"]
    told = json.loads(message["Body"])
    assert told["detail"] == {"albumId": album.id, "kind": "photos", "data": {"added": ["p"]}}
    assert (told["source"], told["detail-type"]) == ("faceflow.api", "Album Event")


def _refusing(emulator: Emulator) -> Any:
    client = emulator.client("events")
    stubber = Stubber(client)
    stubber.add_client_error("put_events", "InternalException")
    stubber.activate()
    return client
