"""Results that outlive the run: nothing is computed twice for the same content and models.

SQLite in WAL mode: what was stored before a kill at any moment is there after it, and several
runs may share one cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from faceflow_ml.album.records import PhotoRecord, pack, unpack
from faceflow_ml.errors import FaceFlowError

_VERSION = 1
_BUSY_SECONDS = 60.0
# A file changed this recently may change again within one tick of its time stamp.
_SETTLED_NS = 2_000_000_000

_TABLES = """
CREATE TABLE IF NOT EXISTS records (
    sha256 TEXT NOT NULL, settings TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (sha256, settings)
);
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class FileStamp:
    """Tells one state of a file from the next without reading it."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        return cls(status.st_size, status.st_mtime_ns)

    @property
    def settled(self) -> bool:
        """Whether a later change is sure to give another stamp."""
        return time.time_ns() - self.mtime_ns > _SETTLED_NS


def settings_key(settings: Mapping[str, str | int | float | None]) -> str:
    """A key for results that depend on ``settings``: models' contract ids, thresholds."""
    text = json.dumps({"version": _VERSION, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class ResultCache:
    """Records by content hash for one choice of settings, and content hashes by file stamp.

    Not for use from several threads at once.

    Raises:
        FaceFlowError: the cache cannot be opened or written (disk full, read-only).
    """

    def __init__(self, path: str | os.PathLike[str], settings: str) -> None:
        self._path = Path(path)
        self._settings = settings
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = _open(self._path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise self._failure(error) from error
            # What a damaged cache held can be computed again; keep its file for whoever asks.
            with self._translated():
                for suffix in ("", "-wal", "-shm"):
                    part = Path(f"{self._path}{suffix}")
                    if part.exists():
                        os.replace(part, f"{self._path}.damaged{suffix}")
                self._connection = _open(self._path)

    def known(self) -> set[str]:
        """Content hashes that have a record."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT sha256 FROM records WHERE settings = ?", (self._settings,)
            )
            return {sha256 for (sha256,) in rows}

    def get(self, sha256: str) -> PhotoRecord | None:
        """The record of this content; a damaged one is dropped and counts as absent."""
        key = (sha256, self._settings)
        with self._translated():
            row = self._connection.execute(
                "SELECT data FROM records WHERE sha256 = ? AND settings = ?", key
            ).fetchone()
        if row is None:
            return None
        try:
            return unpack(sha256, row[0])
        except ValueError:
            with self._translated(), self._connection:
                self._connection.execute(
                    "DELETE FROM records WHERE sha256 = ? AND settings = ?", key
                )
            return None

    def put(self, record: PhotoRecord) -> None:
        """Keep ``record`` for good."""
        with self._translated(), self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                (record.sha256, self._settings, pack(record)),
            )

    def file_hashes(self) -> dict[bytes, tuple[FileStamp, str]]:
        """Files by absolute path, with the stamp they had and the hash of their content then."""
        with self._translated():
            rows = self._connection.execute("SELECT path, size, mtime_ns, sha256 FROM files")
            return {path: (FileStamp(size, mtime), sha) for path, size, mtime, sha in rows}

    def remember_files(self, files: Mapping[bytes, tuple[FileStamp, str]]) -> None:
        """Keep the hashes of files whose stamps have settled."""
        rows = [
            (path, stamp.size, stamp.mtime_ns, sha256)
            for path, (stamp, sha256) in files.items()
            if stamp.settled
        ]
        with self._translated(), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> FaceFlowError:
        return FaceFlowError(f"the cache {self._path} cannot be used: {error}")


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # Commits survive a kill of the process; a power cut may take the last of them.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLES)
        check = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if check != "ok":
            raise sqlite3.DatabaseError(check)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # OperationalError is about the machine: locked, full, read-only. It is a subclass.
    return not isinstance(error, sqlite3.OperationalError)
