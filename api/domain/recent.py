"""What was made lately, as long as there is room for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from api.domain.models import PhotoStatus

V = TypeVar("V")


class Recent(Generic[V]):
    """Things by what they were made of; what was not asked for the longest goes first.

    Args:
        room: of all things together, in bytes.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self._lock = Lock()
        self._things: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()

    @property
    def taken(self) -> int:
        """The bytes of what is kept."""
        return self._taken

    def get(self, key: Hashable) -> V | None:
        """The thing, if it is still kept."""
        with self._lock:
            found = self._things.get(key)
            if found is None:
                return None
            self._things.move_to_end(key)
            return found[0]

    def keep(self, key: Hashable, thing: V, size: int) -> None:
        """Keep a thing of so many bytes, key included, in place of any other."""
        with self._lock:
            _, before = self._things.pop(key, (None, 0))
            self._things[key] = thing, size
            self._taken += size - before
            while self._taken > self._room:
                _, (_, gone) = self._things.popitem(last=False)
                self._taken -= gone

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._things.clear()
            self._taken = 0


@dataclass(frozen=True, slots=True)
class PhotoPiece:
    """A photo as lists show it, in JSON, but for who its faces are; see `routers.photo_lists`.

    until: when its URLs end, epoch seconds.
    faces: their ids.
    parts: what stands around who each face is: one more than there are faces.
    """

    until: int
    status: PhotoStatus
    duplicate_of: str | None
    faces: tuple[str, ...]
    parts: tuple[bytes, ...]
