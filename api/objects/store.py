"""The `ObjectStore` port: bytes under keys, as S3 keeps them.

Keys are ``/``-separated names (see `keys`); they never come from users. An object is there whole or
not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".npy": "application/x-npy",
    ".zip": "application/zip",
    ".json": "application/json",
}


@dataclass(frozen=True)
class ObjectInfo:
    """What is known of an object without reading it.

    etag: changes when the content does.
    """

    key: str
    size: int
    content_type: str
    etag: str


@dataclass(frozen=True)
class Part:
    """An uploaded part of a multipart upload, numbered from 1."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True)
class NewObject:
    """An object to store."""

    key: str
    data: bytes
    content_type: str


class ObjectMissing(Exception):
    """There is no object, or no multipart upload, of that name."""


def check_content_type(content_type: str) -> str:
    """The content type, if it can be one.

    Raises:
        ValueError: it cannot.
    """
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+(; ?[\w=.+-]+)*", content_type, re.ASCII):
        raise ValueError(f"{content_type!r} is no content type")
    return content_type


def check_range(start: int, length: int | None) -> None:
    """Can this be read of an object?

    Raises:
        ValueError: it cannot.
    """
    if start < 0 or (length is not None and length < 0):
        raise ValueError(f"start is {start} and length {length}, expected 0 or more")


def check_prefix(prefix: str) -> None:
    """Can this be removed?

    Raises:
        ValueError: it is empty.
    """
    if not prefix:
        raise ValueError("the prefix is empty: that would remove everything")


def check_parts(key: str, chosen: Sequence[Part], stored: Iterable[Part]) -> None:
    """Can an object be made of the chosen parts?

    Raises:
        ValueError: they are out of order, or none.
        ObjectMissing: one of them is not stored.
    """
    numbers = [part.number for part in chosen]
    if not chosen or numbers != sorted(set(numbers)):
        raise ValueError("parts must be given once each, in the order of their numbers")
    known = {part.number: part for part in stored}
    for part in chosen:
        if known.get(part.number) != part:
            raise ObjectMissing(f"part {part.number} of {key}")


def type_by_name(name: str) -> str:
    """The content type that the extension of a name tells."""
    return _TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")


class ObjectStore(Protocol):
    """Calls block and may be made from any thread."""

    def put(self, key: str, data: bytes | BinaryIO, content_type: str) -> ObjectInfo:
        """Store an object, replacing any other; atomic."""
        ...

    def put_file(self, key: str, file: Path, content_type: str) -> ObjectInfo:
        """Store a local file without reading it into memory."""
        ...

    def put_many(self, objects: Sequence[NewObject]) -> list[ObjectInfo]:
        """Store several objects at once, which takes less time than one after the other; each is
        atomic, all together are not."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of it, or None."""
        ...

    def get(self, key: str) -> bytes:
        """The whole object.

        Raises:
            ObjectMissing: there is none.
        """
        ...

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The object from ``start`` on in chunks of bounded size.

        Raises:
            ObjectMissing: there is none; raised by the call, not by the first chunk.
        """
        ...

    def pieces(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Small parts of one object, each by its start and length; shorter where it ends before.

        Raises:
            ObjectMissing: there is none.
        """
        ...

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with ``prefix``, in key order. Their types may be guessed from
        their names: `head` knows."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Remove every object whose key begins with ``prefix`` (not empty), and unfinished
        multipart uploads to such keys; returns how many objects."""
        ...

    def start_multipart(self, key: str, content_type: str) -> str:
        """Begin an upload in parts; returns its id."""
        ...

    def put_part(self, key: str, upload: str, number: int, data: bytes | BinaryIO) -> Part:
        """Store a part, replacing any other of that number.

        Raises:
            ObjectMissing: there is no such upload.
        """
        ...

    def list_parts(self, key: str, upload: str) -> list[Part]:
        """The parts stored so far, by number."""
        ...

    def complete_multipart(self, key: str, upload: str, parts: list[Part]) -> ObjectInfo:
        """Make the object of ``parts``, atomically; the upload is gone afterwards.

        Raises:
            ObjectMissing: there is no such upload or part.
        """
        ...

    def abort_multipart(self, key: str, upload: str) -> None:
        """Forget the upload and its parts; no error if there is none."""
        ...
