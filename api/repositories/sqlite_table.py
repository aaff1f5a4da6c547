"""The table of one machine: SQLite in WAL mode.

Every write is on the disk when its call returns (``synchronous=FULL``, see
docs/decisions/0010-durable-writes.md). Writers wait for one another in the process and share the
cost: those that queue up while one commits are committed together by the next. Readers have
connections of their own and never wait.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic_core import to_json

from api.repositories.checks import (
    check_key,
    check_placing,
    check_transaction,
    check_unconditional,
)
from api.repositories.cursors import after_prefix
from api.repositories.group_commit import GroupCommit
from api.repositories.paged import PagedTable, Wanted
from api.repositories.stored import StoredItem, parse_item
from api.repositories.table import (
    ANY,
    EXPIRY,
    INDEX_ATTRIBUTES,
    Check,
    ConditionFailed,
    Delete,
    Expect,
    Index,
    Item,
    Key,
    Page,
    Put,
    Update,
    Write,
)

# With rowids, unlike what the keys suggest: rows are large, and without them the inner pages of the
# tree hold whole rows, a handful each, so that one row of a large album is a dozen pages away.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    pk TEXT NOT NULL, sk TEXT NOT NULL, item TEXT NOT NULL,
    created_at TEXT, gsi1pk TEXT, gsi1sk TEXT, gsi2pk TEXT, gsi2sk TEXT, expires_at REAL,
    PRIMARY KEY (pk, sk)
) STRICT;
CREATE INDEX IF NOT EXISTS lsi1 ON items (pk, created_at, sk) WHERE created_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS gsi1 ON items (gsi1pk, gsi1sk, pk, sk)
    WHERE gsi1pk IS NOT NULL AND gsi1sk IS NOT NULL;
CREATE INDEX IF NOT EXISTS gsi2 ON items (gsi2pk, gsi2sk, pk, sk)
    WHERE gsi2pk IS NOT NULL AND gsi2sk IS NOT NULL;
CREATE INDEX IF NOT EXISTS expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
"""
_PUT = """
INSERT INTO items (pk, sk, item, created_at, gsi1pk, gsi1sk, gsi2pk, gsi2sk, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (pk, sk) DO UPDATE SET
    item = excluded.item, created_at = excluded.created_at,
    gsi1pk = excluded.gsi1pk, gsi1sk = excluded.gsi1sk,
    gsi2pk = excluded.gsi2pk, gsi2sk = excluded.gsi2sk, expires_at = excluded.expires_at
"""
_GET = "SELECT item FROM items WHERE pk = ? AND sk = ?"
_GET_MANY = "SELECT sk, item FROM items WHERE pk = ? AND sk IN (SELECT value FROM json_each(?))"
_EXISTING = "SELECT sk FROM items WHERE pk = ? AND sk IN (SELECT value FROM json_each(?))"
_DELETE = "DELETE FROM items WHERE pk = ? AND sk = ?"
_BATCH = 1000
_BUSY_SECONDS = 60.0
_WRITER_CACHE_KIB, _READER_CACHE_KIB = 32_000, 2_000
_READERS = 8
"""Connections that are kept for reading; those of a rush are closed after it, with their caches."""

# Partition column and sort columns of each order; the last sort columns make it total.
_ORDERS: dict[Index | None, tuple[str, tuple[str, ...]]] = {
    None: ("pk", ("sk",)),
    Index.LSI1: ("pk", ("created_at", "sk")),
    Index.GSI1: ("gsi1pk", ("gsi1sk", "pk", "sk")),
    Index.GSI2: ("gsi2pk", ("gsi2sk", "pk", "sk")),
}


class SqliteTable(PagedTable):
    """A table in one file; several processes may have it open.

    Args:
        path: the database; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made here, so that nobody else can read it for even a moment.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._pool = Lock()
        self._closed = False
        writer = self._connect()
        # One connection writes to pages all over a large table; readers are many.
        writer.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        writer.execute("PRAGMA journal_mode = WAL").fetchall()
        writer.executescript(_SCHEMA)
        self._writer = GroupCommit(writer)

    def close(self) -> None:
        """Close every connection; the table is of no use afterwards."""
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self._writer.close()

    def get(self, key: Key) -> Item | None:
        with self._reader() as connection:
            row = connection.execute(_GET, (key.pk, key.sk)).fetchone()
        return None if row is None else StoredItem(row[0])

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        found: dict[tuple[str, str], Item] = {}
        with self._reader() as connection:
            for pk, names in _by_partition(keys):
                rows = connection.execute(_GET_MANY, (pk, names)).fetchall()
                found |= {(pk, sk): StoredItem(text) for sk, text in rows}
        return [found.get((key.pk, key.sk)) for key in keys]

    def existing(self, keys: Sequence[Key]) -> set[Key]:
        with self._reader() as connection:
            return {
                Key(pk, row[0])
                for pk, names in _by_partition(keys)
                for row in connection.execute(_EXISTING, (pk, names))
            }

    def write(self, write: Put | Update | Delete) -> None:
        prepared = _prepare(write)
        self._writer.run(prepared)

    def transact(self, writes: Sequence[Write]) -> None:
        check_transaction(writes)
        prepared = [_prepare(write) for write in writes]

        def apply(connection: sqlite3.Connection) -> None:
            for work in prepared:
                work(connection)

        self._writer.run(apply)

    def write_many(self, writes: Sequence[Put | Update | Delete]) -> None:
        check_unconditional(writes)
        for start in range(0, len(writes), _BATCH):
            self._writer.run(_prepare_many(writes[start : start + _BATCH]))

    def delete_partition(self, pk: str) -> int:
        removed = 0
        while True:
            count = self._writer.run(lambda connection: _clear(connection, pk))
            removed += count
            if count < _BATCH:
                return removed

    def sort_keys(self, pk: str) -> Iterator[str]:
        last = ""
        while True:
            with self._reader() as connection:
                rows = connection.execute(
                    "SELECT sk FROM items WHERE pk = ? AND sk > ? ORDER BY sk LIMIT ?",
                    (pk, last, _BATCH),
                ).fetchall()
            yield from (row[0] for row in rows)
            if len(rows) < _BATCH:
                return
            last = rows[-1][0]

    def remove_expired(self, now: float | None = None) -> int:
        """Remove items whose ``expiresAt`` has passed, and return how many there were."""
        before = time.time() if now is None else now
        removed = 0
        while True:
            count = self._writer.run(lambda connection: _expire(connection, before))
            removed += count
            if count < _BATCH:
                return removed

    def _page(self, wanted: Wanted) -> Page:
        column, sort = _ORDERS[wanted.index]
        position, descending = wanted.position(len(sort)), wanted.descending
        conditions, values = [f"{column} = ?"], [wanted.partition]
        # SQLite searches with one lower and one upper bound: the cursor, being the closer one,
        # takes the place of the prefix's.
        if position is None or descending:
            conditions.append(f"{sort[0]} >= ?")
            values.append(wanted.prefix)
        end = after_prefix(wanted.prefix)
        if end is not None and (position is None or not descending):
            conditions.append(f"{sort[0]} < ?")
            values.append(end)
        if position is not None:
            # Without this SQLite does not see that the partial index will do, and reads the table.
            conditions.append(f"{sort[0]} IS NOT NULL")
            marks = ", ".join("?" * len(sort))
            conditions.append(f"({', '.join(sort)}) {'<' if descending else '>'} ({marks})")
            values.extend(position)
        direction = "DESC" if descending else "ASC"
        order = ", ".join(f"{part} {direction}" for part in sort)
        # Names of columns only; every value is bound.
        sql = (
            f"SELECT item, {', '.join(sort)} FROM items WHERE {' AND '.join(conditions)}"
            f" ORDER BY {order} LIMIT ?"
        )
        with self._reader() as connection:
            rows = connection.execute(sql, (*values, wanted.limit + 1)).fetchall()
        more = len(rows) > wanted.limit
        rows = rows[: wanted.limit]
        return Page(
            tuple(StoredItem(row[0]) for row in rows),
            wanted.cursor_at(rows[-1][1:]) if more else None,
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = FULL")
        # What was erased does not stay readable in free pages.
        connection.execute("PRAGMA secure_delete = ON").fetchall()
        connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        return connection

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """A connection for one thread at a time; the last one used is the first to be used again,
        since its cache is warm."""
        with self._pool:
            if self._closed:
                raise RuntimeError("the table is closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            yield connection
        finally:
            with self._pool:
                keep = len(self._idle) < _READERS and not self._closed
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()


Work = Callable[[sqlite3.Connection], None]
_Row = tuple[
    str, str, str, str | None, str | None, str | None, str | None, str | None, float | None
]


def _by_partition(keys: Sequence[Key]) -> Iterator[tuple[str, str]]:
    """Each partition with the sort keys in it, as a JSON list."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        names[key.pk].append(key.sk)
    for pk, group in names.items():
        yield pk, to_json(group).decode()


def _row(key: Key, item: Item) -> _Row:
    """The item as columns, or ValueError or TypeError if it cannot be kept."""
    check_key(key)
    created_at, gsi1pk, gsi1sk, gsi2pk, gsi2sk, expires = (
        check_placing(name, item.get(name)) for name in (*INDEX_ATTRIBUTES, EXPIRY)
    )
    text = to_json(dict(item)).decode()
    if "NaN" in text or "Infinity" in text:
        json.dumps(dict(item), allow_nan=False)  # raises, unless the letters are of a text
    return (key.pk, key.sk, text, created_at, gsi1pk, gsi1sk, gsi2pk, gsi2sk, expires)


def _prepare(write: Write) -> Work:
    """What to do inside a transaction; whatever can be checked before is checked here."""
    row = _row(write.key, write.item) if isinstance(write, Put) else None
    where = (write.key.pk, write.key.sk)

    def work(connection: sqlite3.Connection) -> None:
        item: Item | None = None
        if isinstance(write, Update) or write.expect != ANY:
            found = connection.execute(_GET, where).fetchone()
            item = None if found is None else parse_item(found[0])
            if not _as_expected(item, write.expect):
                raise ConditionFailed(write.key)
        match write:
            case Put():
                assert row is not None
                connection.execute(_PUT, row)
            case Update():
                connection.execute(_PUT, _row(write.key, _updated(item or {}, write)))
            case Delete():
                connection.execute(_DELETE, where)
            case Check():
                pass

    return work


def _prepare_many(writes: Sequence[Put | Update | Delete]) -> Work:
    # Runs of one kind go to SQLite in one call each.
    steps: list[tuple[type, list[Any]]] = []
    for kind, group in groupby(writes, key=type):
        if kind is Put:
            steps.append((kind, [_row(write.key, write.item) for write in group]))  # type: ignore[union-attr]
        elif kind is Delete:
            steps.append((kind, [(write.key.pk, write.key.sk) for write in group]))
        else:
            steps.append((kind, [_prepare(write) for write in group]))

    def work(connection: sqlite3.Connection) -> None:
        for kind, rows in steps:
            if kind is Put:
                connection.executemany(_PUT, rows)
            elif kind is Delete:
                connection.executemany(_DELETE, rows)
            else:
                for update in rows:
                    update(connection)

    return work


def _as_expected(item: Item | None, expect: Expect) -> bool:
    if expect.exists is not None and expect.exists != (item is not None):
        return False
    present = item or {}
    if any(present.get(name) != value for name, value in expect.values.items()):
        return False
    return all((present.get(name) or 0) <= limit for name, limit in expect.at_most.items())


def _updated(item: Item, update: Update) -> dict[str, Any]:
    changed = dict(item)
    for name, value in update.changes.items():
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = value
    for name, number in update.add.items():
        changed[name] = (changed.get(name) or 0) + number
    return changed


def _expire(connection: sqlite3.Connection, before: float) -> int:
    keys = connection.execute(
        "SELECT pk, sk FROM items WHERE expires_at <= ? LIMIT ?", (before, _BATCH)
    ).fetchall()
    connection.executemany(_DELETE, keys)
    return len(keys)


def _clear(connection: sqlite3.Connection, pk: str) -> int:
    chosen = "SELECT sk FROM items WHERE pk = ? LIMIT ?"
    return connection.execute(
        f"DELETE FROM items WHERE pk = ? AND sk IN ({chosen})", (pk, pk, _BATCH)
    ).rowcount
