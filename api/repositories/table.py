"""The `Table` port: items under a partition key and a sort key, as DynamoDB keeps them.

Values are JSON's: text, numbers, booleans, null, lists and maps; binary data belongs to the object
store. An item's attributes ``createdAt``, ``gsi1pk``/``gsi1sk`` and ``gsi2pk``/``gsi2sk`` place it
in the indexes, and are text that is not empty; ``expiresAt`` (epoch seconds) lets it vanish some
time after that. Numbers are finite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

Item = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Key:
    """Primary key of an item."""

    pk: str
    sk: str


class Index(Enum):
    """Other orders in which items can be read; eventually consistent on some homes."""

    LSI1 = "createdAt"
    """One partition (``pk``) by ``createdAt``."""
    GSI1 = "gsi1"
    """By status: partition ``gsi1pk``, sorted by ``gsi1sk``."""
    GSI2 = "gsi2"
    """By ``userId#albumId``: partition ``gsi2pk``, sorted by ``gsi2sk``."""


class ConditionFailed(Exception):
    """The item was not as the writer expected; nothing was written."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"{key.pk} / {key.sk} is not as expected")
        self.key = key


class BadCursor(ValueError):
    """The cursor is damaged, or of another query."""

    def __init__(self) -> None:
        super().__init__("the cursor is not of this list")


@dataclass(frozen=True)
class Expect:
    """What an item must be for a write to happen.

    exists: True: it must be there; False: it must not; None: either.
    values: attributes that must have these values; an absent attribute counts as None.
    at_most: numbers that must not be larger than these; an absent attribute counts as 0.
    """

    exists: bool | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    at_most: Mapping[str, int] = field(default_factory=dict)


ANY = Expect()
ABSENT = Expect(exists=False)
PRESENT = Expect(exists=True)


@dataclass(frozen=True)
class Put:
    """Write a whole item in place of any other under its key."""

    key: Key
    item: Item
    expect: Expect = ANY


@dataclass(frozen=True)
class Update:
    """Set attributes and add to numbers; an absent item starts empty, an absent number at 0.

    A value of None removes the attribute.
    """

    key: Key
    changes: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    expect: Expect = ANY


@dataclass(frozen=True)
class Delete:
    """Remove an item; removing what is not there is no error unless expected."""

    key: Key
    expect: Expect = ANY


@dataclass(frozen=True)
class Check:
    """Write nothing, but fail the transaction unless the item is as expected."""

    key: Key
    expect: Expect


Write = Put | Update | Delete | Check
TRANSACTION_LIMIT = 100
INDEX_ATTRIBUTES = ("createdAt", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk")
"""Attributes that place an item in the indexes."""
EXPIRY = "expiresAt"
"""The attribute by which it vanishes."""


@dataclass(frozen=True)
class Page:
    """Part of a query's result.

    cursor: opaque; pass it to the same query for the next page. None: there is no more.
    """

    items: tuple[Item, ...]
    cursor: str | None


class Table(Protocol):
    """One table of items. Calls block, may be made from any thread, and are durable on return."""

    def close(self) -> None:
        """Give back what it holds; the table is of no use afterwards."""
        ...

    def get(self, key: Key) -> Item | None:
        """The item, or None."""
        ...

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        """The items in the order of ``keys``; any number of them."""
        ...

    def existing(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys under which there is an item; any number of them."""
        ...

    def write(self, write: Put | Update | Delete) -> None:
        """One write.

        Raises:
            ConditionFailed: the item is not as expected.
        """
        ...

    def transact(self, writes: Sequence[Write]) -> None:
        """All or none of at most TRANSACTION_LIMIT writes to different keys.

        Raises:
            ConditionFailed: one of the items is not as expected.
            ValueError: too many writes, or two to one key.
        """
        ...

    def write_many(self, writes: Sequence[Put | Update | Delete]) -> None:
        """Any number of writes, unconditional and not atomic together: repeat after a crash.

        Raises:
            ValueError: a write with a condition.
        """
        ...

    def delete_partition(self, pk: str) -> int:
        """Remove every item of a partition, not atomically: repeat after a crash. Returns how many
        there were."""
        ...

    def query(
        self,
        pk: str,
        prefix: str = "",
        *,
        limit: int = 1000,
        cursor: str | None = None,
        descending: bool = False,
    ) -> Page:
        """Items of a partition whose sort key begins with ``prefix``, in its order.

        Raises:
            BadCursor: a cursor of another query.
        """
        ...

    def sort_keys(self, pk: str) -> Iterator[str]:
        """Sort keys of a partition, in their order; of items that vanish meanwhile, perhaps."""
        ...

    def query_index(
        self,
        index: Index,
        partition: str,
        prefix: str = "",
        *,
        limit: int = 1000,
        cursor: str | None = None,
        descending: bool = False,
    ) -> Page:
        """The same over an index, by its sort attribute."""
        ...


def query_all(table: Table, pk: str, prefix: str = "") -> Iterator[Item]:
    """Every item of a query, page by page."""
    cursor: str | None = None
    while True:
        page = table.query(pk, prefix, cursor=cursor)
        yield from page.items
        if (cursor := page.cursor) is None:
            return


def query_index_all(table: Table, index: Index, partition: str, prefix: str = "") -> Iterator[Item]:
    """Every item of an index query, page by page."""
    cursor: str | None = None
    while True:
        page = table.query_index(index, partition, prefix, cursor=cursor)
        yield from page.items
        if (cursor := page.cursor) is None:
            return
