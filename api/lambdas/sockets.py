"""Clients that listen to an album over API Gateway's WebSocket API, and what is pushed to them.

``$connect`` comes with the query ``album`` and ``token``, as `/events` of one machine does, and is
refused with 401 or 404 before the connection is made. A connection is a row of its album, so that
it goes when the album goes; it vanishes by itself after API Gateway's two hours. Whatever a client
sends is answered with the album's latest job: what it would have been told first.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from api.auth import Tokens
from api.aws import AwsSettings, boto_clients, load_aws_settings
from api.domain.models import Album, Job, JobKind, Record
from api.errors import Unauthorized
from api.event_bus import DETAIL_TYPE, SOURCE
from api.ids import is_id
from api.jwt_tokens import load_tokens
from api.lambdas.telemetry import Event, count, observed
from api.repositories.dynamo_table import DynamoTable
from api.repositories.records import Repository
from api.repositories.table import Index, Key, Table, query_all
from api.routers.schemas.jobs import JobView
from api.settings import Settings, as_settings_error, read_settings
from api.workflow.slots import Slot

_LIFE_SECONDS = 2 * 3600 + 600
"""API Gateway ends connections after two hours."""
_GONE = {"GoneException", "410"}


class Connection(Record):
    """A client that listens to an album."""

    prefix = "SOCKET#"

    id: str
    album_id: str
    user_id: str
    expires_at: int
    """Epoch seconds."""

    def key(self) -> Key:
        return Key(f"ALBUM#{self.album_id}", f"{self.prefix}{self.id}")

    def index_attributes(self) -> dict[str, str]:
        # A connection that ends, or says something, is known by its id alone.
        return {"gsi2pk": f"{self.prefix}{self.id}", "gsi2sk": self.album_id}


@dataclass(frozen=True)
class Sockets:
    """The connections, and where they are posted to.

    gateway: boto3's client of API Gateway's management of connections.
    """

    table: Table
    tokens: Tokens
    gateway: Any

    def connect(self, connection_id: str, album_id: str, token: str) -> int:
        """A client wants to listen; the HTTP status that it is answered with."""
        try:
            user = self.tokens.verify(token)
        except Unauthorized:
            return 401
        if not is_id(album_id) or self.table.get(Album.key_of(user.id, album_id)) is None:
            return 404
        expires = int(time.time()) + _LIFE_SECONDS
        connection = Connection(
            id=connection_id, album_id=album_id, user_id=user.id, expires_at=expires
        )
        self._rows.save(connection)
        return 200

    def disconnect(self, connection_id: str) -> None:
        """A client has gone."""
        self._rows.delete([connection.key() for connection in self._found(connection_id)])

    def greet(self, connection_id: str) -> None:
        """A client says something: tell it the latest job of its album."""
        for connection in self._found(connection_id):
            job = self._latest(connection.album_id)
            if job is not None:
                data = JobView.model_validate(job).model_dump(mode="json", by_alias=True)
                self._post(connection, {"kind": "job", "data": data})

    def push(self, album_id: str, message: dict[str, Any]) -> int:
        """Tell everybody who listens to an album; returns how many that were."""
        told = 0
        for item in query_all(self.table, f"ALBUM#{album_id}", Connection.prefix):
            connection = Connection.from_item(item)
            if connection.expires_at > time.time():
                told += self._post(connection, message)
        return told

    @property
    def _rows(self) -> Repository[Connection]:
        return Repository(self.table, Connection)

    def _found(self, connection_id: str) -> list[Connection]:
        partition = f"{Connection.prefix}{connection_id}"
        return list(self._rows.index_all(Index.GSI2, partition))

    def _latest(self, album_id: str) -> Job | None:
        slot = Repository(self.table, Slot).get(Slot.key_of(JobKind.INGEST, album_id))
        if slot is None:
            return None
        return Repository(self.table, Job).get(Job.key_of(album_id, slot.job_id))

    def _post(self, connection: Connection, message: dict[str, Any]) -> bool:
        try:
            self.gateway.post_to_connection(
                ConnectionId=connection.id, Data=json.dumps(message).encode()
            )
        except ClientError as error:
            if str(error.response["Error"]["Code"]) not in _GONE:
                raise
            self._rows.delete([connection.key()])
            return False
        return True


@cache
def sockets() -> Sockets:
    """The connections of the environment; opened at the first call.

    Raises:
        SettingsError: a setting is missing or impossible.
    """
    with as_settings_error():
        return open_sockets(read_settings(), load_aws_settings())


def open_sockets(settings: Settings, aws: AwsSettings) -> Sockets:
    """The connections.

    Raises:
        ValueError: a setting is missing.
    """
    if aws.sockets_url is None:
        raise ValueError("FACEFLOW_SOCKETS_URL is not set")
    client = boto_clients()
    return Sockets(
        DynamoTable(client("dynamodb"), aws.table),
        load_tokens(settings),
        client("apigatewaymanagementapi", endpoint_url=aws.sockets_url),
    )


def _sockets(event: Event, _context: LambdaContext) -> dict[str, Any]:
    opened = sockets()
    if event.get("source") == SOURCE and event.get("detail-type") == DETAIL_TYPE:
        detail = event["detail"]
        message = {"kind": detail["kind"], "data": detail["data"]}
        told = opened.push(detail["albumId"], message)
        count("Pushed", told)
        return {"told": told}
    request = event["requestContext"]
    connection_id = request["connectionId"]
    match request["routeKey"]:
        case "$connect":
            query = event.get("queryStringParameters") or {}
            album, token = str(query.get("album", "")), str(query.get("token", ""))
            return {"statusCode": opened.connect(connection_id, album, token)}
        case "$disconnect":
            opened.disconnect(connection_id)
        case _:
            opened.greet(connection_id)
    return {"statusCode": 200}


handler = observed(_sockets)
