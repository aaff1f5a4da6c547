"""Typed records over a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from api.domain.models import Record
from api.repositories.table import (
    ABSENT,
    ANY,
    Delete,
    Expect,
    Index,
    Item,
    Key,
    Put,
    Table,
    Update,
    query_all,
    query_index_all,
)

T = TypeVar("T")
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class RecordPage(Generic[T]):
    """Part of a list; ``cursor`` None: there is no more."""

    records: tuple[T, ...]
    cursor: str | None


class Reader(Generic[T]):
    """Items of one kind, each made into something.

    Args:
        prefix: their sort keys begin with it.
        make: what an item is made into.
    """

    def __init__(self, table: Table, prefix: str, make: Callable[[Item], T]) -> None:
        self.table = table
        self._prefix = prefix
        self._make = make

    def get(self, key: Key) -> T | None:
        """The record, or None."""
        item = self.table.get(key)
        return None if item is None else self._make(item)

    def get_many(self, keys: Sequence[Key]) -> list[T | None]:
        """The records in the order of ``keys``."""
        items = self.table.get_many(keys)
        return [None if item is None else self._make(item) for item in items]

    def page(
        self,
        pk: str,
        *,
        limit: int = 100,
        cursor: str | None = None,
        descending: bool = False,
    ) -> RecordPage[T]:
        """Records of a partition in key order."""
        page = self.table.query(pk, self._prefix, limit=limit, cursor=cursor, descending=descending)
        return RecordPage(tuple(map(self._make, page.items)), page.cursor)

    def all(self, pk: str) -> Iterator[T]:
        """Every record of a partition in key order."""
        return map(self._make, query_all(self.table, pk, self._prefix))

    def index_page(
        self,
        index: Index,
        partition: str,
        prefix: str = "",
        *,
        limit: int = 100,
        cursor: str | None = None,
        descending: bool = False,
    ) -> RecordPage[T]:
        """Records of an index partition in its order."""
        page = self.table.query_index(
            index, partition, prefix, limit=limit, cursor=cursor, descending=descending
        )
        return RecordPage(tuple(map(self._make, page.items)), page.cursor)

    def index_all(self, index: Index, partition: str, prefix: str = "") -> Iterator[T]:
        """Every record of an index partition in its order."""
        return map(self._make, query_index_all(self.table, index, partition, prefix))


class Repository(Reader[R]):
    """Records of one kind."""

    def __init__(self, table: Table, kind: type[R]) -> None:
        super().__init__(table, kind.prefix, kind.from_item)
        self.kind = kind

    def create(self, record: R) -> None:
        """Write a new record.

        Raises:
            ConditionFailed: there is one already.
        """
        self.table.write(self.put(record, ABSENT))

    def save(self, record: R, expect: Expect = ANY) -> None:
        """Write a record in place of any other.

        Raises:
            ConditionFailed: what is there is not as expected.
        """
        self.table.write(self.put(record, expect))

    def put(self, record: R, expect: Expect = ANY) -> Put:
        """The write of `save`, for a transaction."""
        return Put(record.key(), record.to_item(), expect)

    def update(self, record: R, expect: Expect = ANY, **changes: Any) -> R:
        """Write some attributes (by their Python names) and return the record with them.

        Raises:
            ConditionFailed: what is there is not as expected.
        """
        write, changed = self.change(record, expect, **changes)
        self.table.write(write)
        return changed

    def change(self, record: R, expect: Expect = ANY, **changes: Any) -> tuple[Update, R]:
        """The write of `update`, for a transaction, and the record after it."""
        changed = self.kind.model_validate(record.model_dump() | changes)
        before, after = record.to_item(), changed.to_item()
        return Update(record.key(), _difference(before, after), expect=expect), changed

    def delete(self, keys: Iterable[Key]) -> None:
        """Remove records, if they are there."""
        self.table.write_many([Delete(key) for key in keys])


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    names = before.keys() | after.keys()
    return {name: after.get(name) for name in names if before.get(name) != after.get(name)}
