"""One writer at a time for an output folder."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faceflow_ml.errors import FaceFlowError


@contextmanager
def folder_lock(
    path: str | os.PathLike[str], *, on_wait: Callable[[], None] = lambda: None, poll: float = 0.2
) -> Iterator[None]:
    """Hold the lock file ``path`` for the block, waiting for another holder to finish.

    The lock is SQLite's, the one lock in the standard library that works on every platform and
    ends with the process that holds it, however it ends.

    Raises:
        FaceFlowError: the file cannot be locked, for another reason than another holder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise FaceFlowError(f"cannot lock {path}: {error}") from error
    try:
        waited = False
        while True:
            try:
                connection.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise FaceFlowError(f"cannot lock {path}: {error}") from error
                if not waited:
                    waited = True
                    on_wait()
                time.sleep(poll)
        yield
    finally:
        connection.close()
