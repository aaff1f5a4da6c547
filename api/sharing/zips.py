"""Writing a ZIP piece by piece into an object, with bounded memory."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from zipstream import ZIP_STORED, ZipStream

from api.objects.store import ObjectStore, Part

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
_PARTS_OF_A_SIZE = 1000
_MAX_PARTS = 10_000
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Before it, ZIP knows no time."""


class TooManyParts(Exception):
    """The object is larger than a multipart upload can be."""


class PartWriter:
    """Bytes of unknown number into a multipart upload; one part at a time, on the disk.

    Parts grow: the first thousand have ``part_bytes``, the next thousand twice as many, and so on,
    so that 10,000 of them, the most there may be, hold 55,000 times ``part_bytes``.
    """

    def __init__(self, objects: ObjectStore, key: str, upload: str, part_bytes: int) -> None:
        self._objects, self._key, self._upload = objects, key, upload
        self._part_bytes = part_bytes
        self._parts: list[Part] = []
        self._buffer = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of all the bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            TooManyParts: there is no room for them.
        """
        self._digest.update(data)
        self.size += len(data)
        left = memoryview(data)
        while left:
            limit = self._part_bytes * (1 + len(self._parts) // _PARTS_OF_A_SIZE)
            room = limit - self._buffer.tell()
            self._buffer.write(left[:room])
            left = left[room:]
            if self._buffer.tell() >= limit:
                self._flush()

    def finish(self) -> None:
        """Make the object of all that was written."""
        if self._buffer.tell() or not self._parts:
            self._flush()
        self._objects.complete_multipart(self._key, self._upload, self._parts)

    def close(self) -> None:
        """Give back the room on the disk."""
        self._buffer.close()

    def _flush(self) -> None:
        if len(self._parts) == _MAX_PARTS:
            raise TooManyParts(self._key)
        self._buffer.seek(0)
        number = len(self._parts) + 1
        self._parts.append(self._objects.put_part(self._key, self._upload, number, self._buffer))
        self._buffer.seek(0)
        self._buffer.truncate()


@dataclass(frozen=True)
class Entry:
    """A photo for the archive.

    name: its safe and unique name there.
    full: in full size, or the thumbnail in place of an original that is not kept.
    moment: shown as the file's time.
    """

    photo_id: str
    name: str
    data: bytes
    full: bool
    moment: datetime


class PhotoZip:
    """A ZIP of photos that ends with its manifest and checksums.

    Files are stored, not deflated; ZIP64 comes in when it is needed. The same calls write the same
    bytes, anywhere and at any time.

    Args:
        write: takes the bytes of the archive.
        folder: an empty one for files that are being added.
        share_id: said in the manifest.
    """

    def __init__(self, write: Callable[[bytes], None], folder: Path, share_id: str) -> None:
        self._write = write
        self._zip = ZipStream(compress_type=ZIP_STORED)
        self._path = folder / "photo"
        # Opened once: opening anew and cutting to nothing makes some file systems write at once.
        self._photo = self._path.open("wb", buffering=0)
        self._sums = (folder / SUMS).open("w", encoding="utf-8")
        self._manifest = (folder / MANIFEST).open("w", encoding="utf-8")
        self._manifest.write(f'{{"version": 1, "share": {_json(share_id)}, "files": [')
        self._separator = "\n  "

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._photo, self._sums, self._manifest):
            file.close()

    def add(self, entry: Entry) -> None:
        """One more photo."""
        self._photo.seek(0)
        left = memoryview(entry.data)
        while left:
            left = left[self._photo.write(left) :]
        self._photo.truncate()
        self._store(self._path, entry.name, entry.moment)
        sha256 = hashlib.sha256(entry.data).hexdigest()
        line = {
            "name": entry.name,
            "size": len(entry.data),
            "sha256": sha256,
            "photo": entry.photo_id,
            "full": entry.full,
        }
        self._manifest.write(self._separator + _json(line))
        self._sums.write(f"{sha256}  {entry.name}\n")
        self._separator = ",\n  "

    def finish(self, omitted: Mapping[str, str]) -> None:
        """Manifest, checksums and directory; ``omitted``: photos that are left out, and why."""
        missing = [{"photo": photo, "reason": reason} for photo, reason in omitted.items()]
        self._manifest.write(f'\n], "omitted": {_json(missing)}}}\n')
        for file in (self._manifest, self._sums):
            file.flush()
            path = Path(file.name)
            self._store(path, path.name, datetime(*_EPOCH))  # noqa: DTZ001 - ZIP knows no zones
        for piece in self._zip.footer():
            self._write(piece)

    def _store(self, path: Path, name: str, moment: datetime) -> None:
        # The archive takes a file's time and mode from the disk; times are local, both ways.
        fields = max(moment.timetuple()[:6], _EPOCH)
        seconds = time.mktime((*fields, 0, 0, -1))
        os.utime(path, (seconds, seconds))
        path.chmod(0o644)
        self._zip.add_path(path, name, recurse=False)
        for piece in self._zip.file():
            self._write(piece)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
