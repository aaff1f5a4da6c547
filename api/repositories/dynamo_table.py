"""The table on AWS: one DynamoDB table.

Reads of the table and of LSI1 are strongly consistent; GSI1 and GSI2 follow within a moment.

A write that must not happen twice (it adds, or has a condition) goes as a transaction of one: the
request has a token, so that when an answer is lost and botocore asks again, DynamoDB knows the
write it has made already. A plain ``UpdateItem`` would add twice, and a plain conditional
``PutItem`` would call its own first attempt another writer. See
docs/decisions/0036-writes-with-a-token.md.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from api.repositories.checks import check_transaction, check_unconditional
from api.repositories.dynamo_expressions import arguments_of
from api.repositories.dynamo_schema import ORDERS, PK, SK
from api.repositories.dynamo_values import Attribute, from_stored, key_of, to_key, to_stored
from api.repositories.paged import PagedTable, Wanted
from api.repositories.table import (
    ANY,
    BadCursor,
    Check,
    ConditionFailed,
    Delete,
    Index,
    Item,
    Key,
    Page,
    Put,
    Update,
    Write,
)

T = TypeVar("T")

_READ_BATCH, _WRITE_BATCH = 100, 25
"""Most items of ``BatchGetItem`` and ``BatchWriteItem``."""
_THREADS = 16
_KEY_ONLY = {
    "ProjectionExpression": "#partition, #sort",
    "ExpressionAttributeNames": {"#partition": PK, "#sort": SK},
}
_BUSY_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
_ACTIONS: dict[type, str] = {
    Put: "Put",
    Update: "Update",
    Delete: "Delete",
    Check: "ConditionCheck",
}
_TRY_AGAIN = {
    "TransactionConflict",
    "TransactionConflictException",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}


class DynamoTable(PagedTable):
    """A table that is there already; see `dynamo_schema.table_definition`.

    Args:
        client: boto3's client of DynamoDB, with retries.
        name: the table.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="dynamo")

    def close(self) -> None:
        """End the threads; the table is of no use afterwards."""
        self._pool.shutdown()

    def get(self, key: Key) -> Item | None:
        answer = self._client.get_item(TableName=self._name, Key=to_key(key), ConsistentRead=True)
        return from_stored(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        found = {key_of(item): from_stored(item) for item in self._get_all(keys)}
        return [found.get(key) for key in keys]

    def existing(self, keys: Sequence[Key]) -> set[Key]:
        return {key_of(item) for item in self._get_all(keys, _KEY_ONLY)}

    def write(self, write: Put | Update | Delete) -> None:
        if write.expect != ANY or (isinstance(write, Update) and write.add):
            self._transact([write])
            return
        arguments = arguments_of(write, self._name)
        operation: Callable[..., Any] = {
            Put: self._client.put_item,
            Update: self._client.update_item,
            Delete: self._client.delete_item,
        }[type(write)]
        _again_if_busy(lambda: operation(**arguments))

    def transact(self, writes: Sequence[Write]) -> None:
        check_transaction(writes)
        self._transact(
            [write for write in writes if not isinstance(write, Check) or write.expect != ANY]
        )

    def write_many(self, writes: Sequence[Put | Update | Delete]) -> None:
        check_unconditional(writes)
        for wave in _waves(writes):
            requests = [_request(write) for write in wave if not isinstance(write, Update)]
            updates = [write for write in wave if isinstance(write, Update)]
            list(self._pool.map(self._write_batch, _chunks(requests, _WRITE_BATCH)))
            list(self._pool.map(self.write, updates))

    def delete_partition(self, pk: str) -> int:
        requests = (_request(Delete(Key(pk, sk))) for sk in self.sort_keys(pk))
        removed = 0
        for batch in _chunks(requests, _WRITE_BATCH * _THREADS):
            list(self._pool.map(self._write_batch, _chunks(batch, _WRITE_BATCH)))
            removed += len(batch)
        return removed

    def sort_keys(self, pk: str) -> Iterator[str]:
        if not pk:
            return
        arguments = self._query_arguments(None, pk, "") | {"ProjectionExpression": "#sort"}
        arguments["ExpressionAttributeNames"]["#sort"] = SK
        while True:
            answer = self._client.query(**arguments)
            yield from (item[SK]["S"] for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _page(self, wanted: Wanted) -> Page:
        column, sort = ORDERS[wanted.index]
        arguments = self._query_arguments(wanted.index, wanted.partition, wanted.prefix)
        arguments["ScanIndexForward"] = not wanted.descending
        position = wanted.position(len(sort))
        if position is not None:
            # DynamoDB refuses to start where the query does not lead.
            if not position[0].startswith(wanted.prefix) or not all(position):
                raise BadCursor
            start = {column: wanted.partition, **dict(zip(sort, position, strict=True))}
            arguments["ExclusiveStartKey"] = {part: {"S": text} for part, text in start.items()}
        if not wanted.partition:
            return Page((), None)
        found: list[Mapping[str, Attribute]] = []
        # One more than asked for tells whether there is another page; DynamoDB may return fewer,
        # since a page of its own ends at 1 MB.
        while len(found) <= wanted.limit:
            answer = self._client.query(**arguments, Limit=wanted.limit + 1 - len(found))
            found += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                break
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        more = len(found) > wanted.limit
        found = found[: wanted.limit]
        return Page(
            tuple(map(from_stored, found)),
            wanted.cursor_at([found[-1][part]["S"] for part in sort]) if more else None,
        )

    def _query_arguments(self, index: Index | None, partition: str, prefix: str) -> dict[str, Any]:
        column, sort = ORDERS[index]
        arguments: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": "#partition = :partition",
            "ExpressionAttributeNames": {"#partition": column},
            "ExpressionAttributeValues": {":partition": {"S": partition}},
            # Of a global index there are no consistent reads.
            "ConsistentRead": column == PK,
        }
        if index is not None:
            arguments["IndexName"] = index.name
        if prefix:
            arguments["KeyConditionExpression"] += " AND begins_with(#sort, :prefix)"
            arguments["ExpressionAttributeNames"]["#sort"] = sort[0]
            arguments["ExpressionAttributeValues"][":prefix"] = {"S": prefix}
        return arguments

    def _get_all(
        self, keys: Iterable[Key], options: Mapping[str, Any] | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """What is stored under the keys, in no order."""

        def get(batch: Sequence[Key]) -> list[Mapping[str, Any]]:
            found: list[Mapping[str, Any]] = []
            names = [to_key(key) for key in batch]
            wanted = {self._name: {"Keys": names, "ConsistentRead": True, **(options or {})}}
            pause = _Pause()
            while wanted:
                answer = self._client.batch_get_item(RequestItems=wanted)
                found += answer["Responses"].get(self._name, [])
                if wanted := answer.get("UnprocessedKeys", {}):
                    pause()
            return found

        batches = _chunks(dict.fromkeys(keys), _READ_BATCH)
        return chain.from_iterable(self._pool.map(get, batches))

    def _write_batch(self, requests: Sequence[dict[str, Any]]) -> None:
        left = {self._name: list(requests)}
        pause = _Pause()
        while left:
            answer = _translated(lambda: self._client.batch_write_item(RequestItems=left))
            if left := answer.get("UnprocessedItems", {}):
                pause()

    def _transact(self, writes: Sequence[Write]) -> None:
        if not writes:
            return
        actions = [{_ACTIONS[type(write)]: arguments_of(write, self._name)} for write in writes]
        try:
            # botocore adds the token that makes its retries harmless.
            _again_if_busy(lambda: self._client.transact_write_items(TransactItems=actions))
        except self._client.exceptions.TransactionCanceledException as error:
            codes = _reasons(error)
            for write, code in zip(writes, codes, strict=False):
                if code == "ConditionalCheckFailed":
                    raise ConditionFailed(write.key) from None
            if "ValidationError" in codes or "ItemSizeLimitExceeded" in codes:
                raise ValueError(f"the items cannot be kept: {_message(error)}") from error
            raise


class _Pause:
    """Waits longer each time, by chance, so that those who got in one another's way do not meet
    again; gives up after a while.

    Raises:
        TimeoutError: the table has been busy all the time.
    """

    def __init__(self) -> None:
        self._longest = _FIRST_PAUSE
        self._until = time.monotonic() + _BUSY_SECONDS

    def __call__(self) -> None:
        if time.monotonic() > self._until:
            raise TimeoutError(f"the table has been busy for {_BUSY_SECONDS:.0f} s")
        time.sleep(random.uniform(0, self._longest))
        self._longest = min(2 * self._longest, _LONGEST_PAUSE)


def _again_if_busy(call: Callable[[], T]) -> T:
    pause = _Pause()
    while True:
        try:
            return _translated(call)
        except ClientError as error:
            codes = set(_reasons(error)) | {error.response["Error"]["Code"]}
            if "ConditionalCheckFailed" in codes or not codes & _TRY_AGAIN:
                raise
        pause()


def _translated(call: Callable[[], T]) -> T:
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":
            raise ValueError(f"DynamoDB refuses this: {_message(error)}") from error
        raise


def _reasons(error: ClientError) -> list[str]:
    return [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]


def _message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", ""))


def _request(write: Put | Delete) -> dict[str, Any]:
    if isinstance(write, Put):
        return {"PutRequest": {"Item": to_stored(write.key, write.item)}}
    return {"DeleteRequest": {"Key": to_key(write.key)}}


def _waves(writes: Sequence[Put | Update | Delete]) -> Iterator[list[Put | Update | Delete]]:
    """The writes in turn, cut so that no part has two to one key: within it, order is no matter."""
    wave: dict[Key, Put | Update | Delete] = {}
    for write in writes:
        if write.key in wave:
            yield list(wave.values())
            wave = {}
        wave[write.key] = write
    yield list(wave.values())


def _chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(things)
    while chunk := list(islice(iterator, size)):
        yield chunk
