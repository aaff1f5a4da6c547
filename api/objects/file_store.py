"""The object store of one machine: files under a folder.

``objects/`` holds each object at its key; ``types/`` the content type where the extension does not
say it; ``uploads/`` the parts of unfinished multipart uploads; ``temporary/`` what is being written
or removed. A file gets its name once it is whole and on the disk. Since keys are paths, no key may
be the folder of another: ``a`` and ``a/b`` exclude each other.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from api.ids import is_id, new_id
from api.objects.keys import SEGMENT, check_key
from api.objects.store import (
    NewObject,
    ObjectInfo,
    ObjectMissing,
    Part,
    check_content_type,
    check_parts,
    check_prefix,
    check_range,
    type_by_name,
)

_CHUNK = 256 * 2**10
MAX_PARTS = 10_000


class FileObjectStore:
    """Objects in files under ``root``, which is made if it is not there."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._types = root / "types"
        self._uploads = root / "uploads"
        self._temporary = root / "temporary"
        for folder in (self._objects, self._types, self._uploads, self._temporary):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._syncs = ThreadPoolExecutor(8, thread_name_prefix="sync")

    @property
    def scratch(self) -> Path:
        """Folder for unfinished files, which `remove_stale` looks through."""
        return self._temporary

    def put(self, key: str, data: bytes | BinaryIO, content_type: str) -> ObjectInfo:
        path = self._path(key)
        with self.temporary() as file:
            _copy(data, file)
            _sync(file)
            return self._commit(file, key, path, content_type)

    def put_many(self, objects: Sequence[NewObject]) -> list[ObjectInfo]:
        # The disk syncs many files in hardly more time than one.
        return list(
            self._syncs.map(lambda new: self.put(new.key, new.data, new.content_type), objects)
        )

    def put_file(self, key: str, file: Path, content_type: str) -> ObjectInfo:
        with file.open("rb") as source:
            return self.put(key, source, content_type)

    def head(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._info(key, status) if S_ISREG(status.st_mode) else None

    def get(self, key: str) -> bytes:
        with self.open(key) as file:
            return file.read()

    def open(self, key: str) -> BinaryIO:
        """The object as a file; it stays readable if it is replaced or removed meanwhile.

        Raises:
            ObjectMissing: there is none.
        """
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectMissing(key) from None

    def info_of(self, key: str, file: BinaryIO) -> ObjectInfo:
        """What `head` says, of an object that is open."""
        return self._info(key, os.fstat(file.fileno()))

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        check_range(start, length)
        return chunks(self.open(key), start, length)

    def pieces(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        for start, length in ranges:
            check_range(start, length)
        with self.open(key) as file:
            return [os.pread(file.fileno(), length, start) for start, length in ranges]

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        for key, entry in _walk(self._objects, prefix):
            with suppress(FileNotFoundError):
                yield self._info(key, entry.stat())

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self._path(key)
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()
            with suppress(FileNotFoundError, NotADirectoryError):
                (self._types / key).unlink()
            _prune(path.parent, self._objects)
            _prune((self._types / key).parent, self._types)

    def delete_prefix(self, prefix: str) -> int:
        check_prefix(prefix)
        for upload in self._uploads_of(prefix):
            self._discard(upload)
        count = 0
        for info in list(self.list_objects(prefix)):
            self.delete([info.key])
            count += 1
        # Types that a stopped process left without their objects.
        for key, _ in list(_walk(self._types, prefix)):
            self.delete([key])
        _sync_folder(self._objects)
        return count

    def start_multipart(self, key: str, content_type: str) -> str:
        self._path(key)
        upload = new_id()
        draft = self._temporary / upload
        draft.mkdir(mode=0o700)
        (draft / "key").write_text(f"{key}\n{check_content_type(content_type)}\n")
        os.replace(draft, self._uploads / upload)
        return upload

    def put_part(self, key: str, upload: str, number: int, data: bytes | BinaryIO) -> Part:
        self._upload(key, upload)
        with self.temporary() as file:
            _copy(data, file)
            return self.commit_part(file, key, upload, number)

    def list_parts(self, key: str, upload: str) -> list[Part]:
        folder, _ = self._upload(key, upload)
        numbers = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
        return [_part(number, (folder / str(number)).stat()) for number in numbers]

    def complete_multipart(self, key: str, upload: str, parts: list[Part]) -> ObjectInfo:
        folder, content_type = self._upload(key, upload)
        check_parts(key, parts, self.list_parts(key, upload))
        with self.temporary() as file:
            for part in parts:
                with (folder / str(part.number)).open("rb") as source:
                    shutil.copyfileobj(source, file, _CHUNK)
            info = self.commit(file, key, content_type)
        self._discard(folder)
        return info

    def abort_multipart(self, key: str, upload: str) -> None:
        with suppress(ObjectMissing):
            self._discard(self._upload(key, upload)[0])

    @contextmanager
    def temporary(self) -> Iterator[BinaryIO]:
        """A file to write to; it vanishes unless `commit` or `commit_part` gives it its place."""
        path = self._temporary / new_id()
        try:
            with open(path, "xb", opener=_open_private) as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def commit(self, file: BinaryIO, key: str, content_type: str) -> ObjectInfo:
        """Make a `temporary` file the object ``key``."""
        path = self._path(key)
        _sync(file)
        return self._commit(file, key, path, content_type)

    def commit_part(self, file: BinaryIO, key: str, upload: str, number: int) -> Part:
        """Make a `temporary` file a part of an upload."""
        if not 1 <= number <= MAX_PARTS:
            raise ValueError(f"part number {number}, expected 1 to {MAX_PARTS}")
        folder, _ = self._upload(key, upload)
        _sync(file)
        part = _part(number, os.fstat(file.fileno()))
        try:
            os.replace(file.name, folder / str(number))
        except FileNotFoundError:  # aborted meanwhile
            raise ObjectMissing(f"upload {upload}") from None
        _sync_folder(folder)
        return part

    def remove_stale(self, older_than: float) -> int:
        """Remove what stopped processes left half-written before ``older_than`` (epoch seconds),
        and return how much it was."""
        removed = 0
        for path in self._temporary.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < older_than:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed += 1
        for folder in self._uploads.iterdir():
            with suppress(FileNotFoundError):
                changed = folder.stat().st_mtime
                if changed < older_than and self._is_complete(folder, changed):
                    self._discard(folder)
                    removed += 1
        return removed

    def _discard(self, upload: Path) -> None:
        """Remove the parts of an upload. First from its place, whole: what a stopped process leaves
        of them is then found by `remove_stale`."""
        away = self._temporary / upload.name
        with suppress(FileNotFoundError):  # somebody else does it just now
            os.replace(upload, away)
        shutil.rmtree(away, ignore_errors=True)

    def _is_complete(self, upload: Path, changed: float) -> bool:
        """Has its object been written since its parts were, the last of them at ``changed``? An
        object that is older is one that the upload is to replace."""
        key, _ = (upload / "key").read_text().splitlines()
        try:
            return self._path(key).stat().st_mtime >= changed
        except NotADirectoryError:
            return False

    def _commit(self, file: BinaryIO, key: str, path: Path, content_type: str) -> ObjectInfo:
        note = self._types / key
        if check_content_type(content_type) != type_by_name(path.name):
            with self.temporary() as draft:
                draft.write(content_type.encode())
                _sync(draft)
                _place(draft, note)
            _place(file, path)
        else:
            _place(file, path)
            with suppress(FileNotFoundError, NotADirectoryError):
                note.unlink()
        return self._info(key, os.fstat(file.fileno()))

    def _path(self, key: str) -> Path:
        return self._objects / check_key(key)

    def _info(self, key: str, stat: os.stat_result) -> ObjectInfo:
        try:
            content_type = (self._types / key).read_text()
        except (FileNotFoundError, NotADirectoryError):
            content_type = type_by_name(key)
        return ObjectInfo(key, stat.st_size, content_type, _etag(stat))

    def _upload(self, key: str, upload: str) -> tuple[Path, str]:
        folder = self._uploads / upload
        try:
            if not is_id(upload):
                raise FileNotFoundError
            found, content_type = (folder / "key").read_text().splitlines()
        except FileNotFoundError:
            raise ObjectMissing(f"upload {upload}") from None
        if found != key:
            raise ObjectMissing(f"upload {upload}")
        return folder, content_type

    def _uploads_of(self, prefix: str) -> Iterator[Path]:
        for folder in list(self._uploads.iterdir()):
            with suppress(FileNotFoundError):
                if (folder / "key").read_text().startswith(prefix):
                    yield folder


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _etag(stat: os.stat_result) -> str:
    # Every write is a new file, so that these change without reading the content.
    return f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"


def _part(number: int, stat: os.stat_result) -> Part:
    return Part(number, stat.st_size, _etag(stat))


def _copy(data: bytes | BinaryIO, file: BinaryIO) -> None:
    shutil.copyfileobj(BytesIO(data) if isinstance(data, bytes) else data, file, _CHUNK)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _place(file: BinaryIO, path: Path) -> None:
    """Give a synced file its name, in one step."""
    while True:
        # The last object of the folder may be removed just now, and the folder with it.
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.replace(file.name, path)
            break
        except FileNotFoundError:
            continue
        except FileExistsError:
            if path.parent.is_file():
                raise
    with suppress(FileNotFoundError):
        _sync_folder(path.parent)


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that are empty, up to ``root``: their names tell of users too."""
    while folder != root:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent


def chunks(file: BinaryIO, start: int, length: int | None) -> Iterator[bytes]:
    """The file from ``start`` on in chunks of bounded size; closed at the end."""
    with file:
        file.seek(start)
        left = length
        while left is None or left > 0:
            chunk = file.read(_CHUNK if left is None else min(_CHUNK, left))
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk


def _walk(root: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Files under ``root`` whose path begins with ``prefix``, in the order of their keys."""
    folder, _, start = prefix.rpartition("/")
    if folder and not all(map(SEGMENT.fullmatch, folder.split("/"))):
        return
    yield from _walk_folder(root / folder, f"{folder}/" if folder else "", start)


def _walk_folder(folder: Path, key: str, start: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            # A folder sorts as its keys do, with the slash.
            found = sorted(
                (f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry)
                for entry in entries
                if entry.name.startswith(start)
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, entry in found:
        if name.endswith("/"):
            yield from _walk_folder(folder / entry.name, f"{key}{name}", "")
        else:
            yield f"{key}{name}", entry
