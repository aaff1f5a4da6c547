"""Brings back what an account on AWS has lost: rows from a copy of the table, objects from their
versions. ``python -m api restore``; when to use it stands in RUNBOOK.md.

What is there stays as it is, so that nothing written since is lost, and the command may run again
after an interruption. What people had erased stays erased: erasing an account or an album removes
every version of its objects, so rows of an album that has no version left are not brought back.
Nor is consent to training: it may have been withdrawn since, and can be given again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from api.domain import consent
from api.objects.s3_store import Buckets
from api.repositories.dynamo_schema import PK, SK

_BATCH_GET, _BATCH_WRITE, _BATCH_DELETE = 100, 25, 1000
_TENANTS = "tenant/"
_OWNED = ("USER#", "ALBUM#")

Album = tuple[str, str]
"""Ids of user and album, as they are in keys of objects."""


@dataclass(frozen=True)
class Restored:
    """What was brought back.

    left_out: rows that are not, because all their objects were erased, or they are consent.
    copy: name of the restored table, to be looked at and then deleted.
    """

    rows: int
    left_out: int
    objects: int
    copy: str


def restore(
    dynamodb: Any,
    s3: Any,
    table: str,
    buckets: Buckets,
    at: datetime,
    *,
    backup: str | None = None,
    overwrite: bool = False,
) -> Restored:
    """Bring back what was there at a time.

    Args:
        dynamodb: boto3's client; ``s3`` too.
        at: the time; aware.
        backup: ARN of a backup to take rows from, instead of point-in-time recovery.
        overwrite: rows that are there are replaced too: where they are wrong, not lost.
    """
    objects, albums = 0, set[Album]()
    for bucket in buckets.all():
        count, found = undelete(s3, bucket, at)
        objects, albums = objects + count, albums | found
    copy = f"{table}-restored-{at.astimezone(UTC):%Y%m%d%H%M%S}"
    _make_copy(dynamodb, table, copy, at, backup)
    rows, left_out = _bring_back_rows(dynamodb, copy, table, albums, overwrite)
    return Restored(rows, left_out, objects, copy)


def undelete(s3: Any, bucket: str, at: datetime) -> tuple[int, set[Album]]:
    """Take back deletions after ``at`` of objects that were there: how many, and of which albums
    there is any version.

    Objects are written once, under keys of their own: what is there needs no older version.
    """
    markers: list[dict[str, str]] = []
    albums: set[Album] = set()
    for key, history in groupby(_versions(s3, bucket), key=itemgetter("Key")):
        entries = list(history)
        versions = [one for one in entries if "ETag" in one]
        if not versions:
            continue
        parts = key.split("/")
        albums.add((parts[1], parts[2]))
        late = [one for one in entries if "ETag" not in one and one["LastModified"] > at]
        was_there = any(one["LastModified"] <= at for one in versions)
        if was_there and any(one["IsLatest"] for one in late):
            markers += [{"Key": key, "VersionId": one["VersionId"]} for one in late]
    for start in range(0, len(markers), _BATCH_DELETE):
        batch = markers[start : start + _BATCH_DELETE]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        if errors := answer.get("Errors"):
            raise OSError(f"{bucket}: {errors[0].get('Key')} was not brought back: {errors[0]}")
    return len({marker["Key"] for marker in markers}), albums


def _versions(s3: Any, bucket: str) -> Iterator[dict[str, Any]]:
    """Versions and delete markers, those of a key together."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=_TENANTS)
    for page in pages:
        yield from sorted(
            chain(page.get("Versions", ()), page.get("DeleteMarkers", ())), key=itemgetter("Key")
        )


def _make_copy(dynamodb: Any, table: str, copy: str, at: datetime, backup: str | None) -> None:
    with suppress(dynamodb.exceptions.TableAlreadyExistsException):
        if backup is None:
            dynamodb.restore_table_to_point_in_time(
                SourceTableName=table, TargetTableName=copy, RestoreDateTime=at
            )
        else:
            dynamodb.restore_table_from_backup(TargetTableName=copy, BackupArn=backup)
    # Hours, for a large table.
    waiter = dynamodb.get_waiter("table_exists")
    waiter.wait(TableName=copy, WaiterConfig={"Delay": 20, "MaxAttempts": 24 * 180})


def _bring_back_rows(
    dynamodb: Any, copy: str, table: str, albums: set[Album], overwrite: bool
) -> tuple[int, int]:
    users = {user for user, _ in albums}
    partitions = {f"USER#{user}" for user in users} | {f"ALBUM#{album}" for _, album in albums}
    rows = left_out = 0
    for page in dynamodb.get_paginator("scan").paginate(TableName=copy, ConsistentRead=True):
        items = page["Items"]
        kept = [item for item in items if _is_alive(item, partitions)]
        left_out += len(items) - len(kept)
        for start in range(0, len(kept), _BATCH_GET):
            some = kept[start : start + _BATCH_GET]
            if not overwrite:
                there = _there(dynamodb, table, some)
                some = [item for item in some if _key(item) not in there]
            _write(dynamodb, table, some)
            rows += len(some)
    return rows, left_out


def _is_alive(item: dict[str, Any], partitions: set[str]) -> bool:
    pk, sk = _key(item)
    if sk == consent.SORT_KEY:
        return False
    if not pk.startswith(_OWNED):
        return True  # receipts, and what belongs to nobody
    # The row of an album stands in its user's partition.
    return pk in partitions and (not sk.startswith("ALBUM#") or sk in partitions)


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item[PK]["S"], item[SK]["S"]


def _there(dynamodb: Any, table: str, items: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Which of these keys the table has."""
    if not items:
        return set()
    keys = [{PK: item[PK], SK: item[SK]} for item in items]
    asked = {table: {"Keys": keys, "ProjectionExpression": f"{PK}, {SK}", "ConsistentRead": True}}
    found: set[tuple[str, str]] = set()
    while asked:
        answer = dynamodb.batch_get_item(RequestItems=asked)
        found |= set(map(_key, answer["Responses"].get(table, ())))
        asked = answer.get("UnprocessedKeys") or {}
    return found


def _write(dynamodb: Any, table: str, items: list[dict[str, Any]]) -> None:
    for start in range(0, len(items), _BATCH_WRITE):
        some = items[start : start + _BATCH_WRITE]
        left = {table: [{"PutRequest": {"Item": item}} for item in some]}
        while left:
            left = dynamodb.batch_write_item(RequestItems=left).get("UnprocessedItems") or {}
