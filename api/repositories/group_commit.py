"""Group commit: transactions of several threads that share one sync of the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar, cast

T = TypeVar("T")


@dataclass(eq=False)
class _Waiting:
    work: Callable[[sqlite3.Connection], Any]
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """Runs pieces of work on one connection, each in a transaction of its own.

    A thread whose turn it is commits the work of all who came while it waited: a sync costs
    milliseconds, a write microseconds. Each piece is undone alone if it raises.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._turn = Lock()
        self._queue_lock = Lock()
        self._queue: list[_Waiting] = []

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the work and commit; returns once it is on the disk.

        Raises:
            Exception: what ``work`` raised, with nothing of it written; or the commit failed.
        """
        mine = _Waiting(work)
        with self._queue_lock:
            self._queue.append(mine)
        with self._turn:
            if not mine.done:
                with self._queue_lock:
                    batch, self._queue = self._queue, []
                self._commit(batch)
        if mine.error is not None:
            raise mine.error
        return cast(T, mine.result)

    def close(self) -> None:
        """Close the connection after the work that is going on."""
        with self._turn:
            self._connection.close()

    def _commit(self, batch: list[_Waiting]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for waiting in batch:
                self._apply(waiting)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for waiting in batch:
                waiting.error = waiting.error or sqlite3.OperationalError(f"not committed: {error}")
            raise
        finally:
            for waiting in batch:
                waiting.done = True

    def _apply(self, waiting: _Waiting) -> None:
        connection = self._connection
        connection.execute("SAVEPOINT work")
        try:
            waiting.result = waiting.work(connection)
        except Exception as error:
            # A full disk may have ended the whole transaction already.
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO work")
            waiting.error = error
        connection.execute("RELEASE work")
