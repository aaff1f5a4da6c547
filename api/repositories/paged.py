"""Queries of the table, page by page: the same for every home."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from api.repositories.cursors import decode_cursor, encode_cursor, fingerprint
from api.repositories.table import Index, Page


@dataclass(frozen=True)
class Wanted:
    """A page that is asked for; see `Table.query` and `Table.query_index`.

    index: None: the table itself.

    Raises:
        ValueError: a limit below 1.
    """

    index: Index | None
    partition: str
    prefix: str
    limit: int
    cursor: str | None
    descending: bool

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"limit is {self.limit}, expected 1 or more")

    def position(self, length: int) -> tuple[str, ...] | None:
        """Where the page before ended, ``length`` texts; None: this is the first.

        Raises:
            BadCursor: a cursor of another query.
        """
        if self.cursor is None:
            return None
        return decode_cursor(self.cursor, self._query(), length)

    def cursor_at(self, position: Sequence[str]) -> str:
        """The cursor of the page that begins behind ``position``."""
        return encode_cursor(self._query(), position)

    def _query(self) -> str:
        name = "table" if self.index is None else self.index.name
        order = "desc" if self.descending else "asc"
        return fingerprint(name, self.partition, self.prefix, order)


class PagedTable(ABC):
    """The two queries of a `Table` by the one that a home has."""

    @abstractmethod
    def _page(self, wanted: Wanted) -> Page:
        """A page of items."""

    def query(
        self,
        pk: str,
        prefix: str = "",
        *,
        limit: int = 1000,
        cursor: str | None = None,
        descending: bool = False,
    ) -> Page:
        return self._page(Wanted(None, pk, prefix, limit, cursor, descending))

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
        return self._page(Wanted(index, partition, prefix, limit, cursor, descending))
