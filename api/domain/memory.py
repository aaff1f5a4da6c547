"""What a process remembers of albums' people, so that it need not read the log each time."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from threading import Lock, RLock
from typing import TYPE_CHECKING

from api.domain.recent import PhotoPiece, Recent
from api.domain.state import Centers, People

if TYPE_CHECKING:
    from api.domain.hash_index import KnownHashes

_ALBUMS = 32
_POINTS = 16
_PAGES = 4
"""Of 500 people, some 300 kB each."""
_TABLES = 4
"""Points with different faces: a hundred thousand faces take some 7 MB."""
_PHOTO_BYTES = 16 * 2**20
"""Of pieces of pages: some 4,000 photos."""


class Remembered:
    """An album's people at the last few points of its log. ``lock`` is held by whoever appends."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.centers: Centers | None = None
        self.hashes: KnownHashes | None = None
        self._points: deque[People] = deque(maxlen=_POINTS)
        self._pages: OrderedDict[Hashable, bytes] = OrderedDict()
        self._making = Lock()

    def page(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """A page that was made before, or else is made now: by one, for all who ask meanwhile.

        key: all that the page depends on, the point of the log included.
        """
        with self._making:
            page = self._pages.get(key) or make()
            self._pages[key] = page
            self._pages.move_to_end(key)
            while len(self._pages) > _PAGES:
                self._pages.popitem(last=False)
        return page

    def at(self, head: str | None) -> People | None:
        """The people at a point of the log, if they are remembered."""
        return next((people for people in self.newest_first() if people.head == head), None)

    def newest_first(self) -> list[People]:
        """All that is remembered."""
        return list(reversed(tuple(self._points)))

    def add(self, people: People) -> None:
        """Remember one more point."""
        if self.at(people.head) is not None:
            return
        # What was derived from earlier ones is larger than they are, and hardly asked for again.
        for past in self.newest_first():
            past.forget_derived(of_table=past.table is not people.table)
        self._points.append(people)
        while len({id(point.table) for point in tuple(self._points)}) > _TABLES:
            self._points.popleft()


class Memory:
    """Of the albums that were used last; never the only copy of anything."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._albums: OrderedDict[str, Remembered] = OrderedDict()
        self.photo_pieces: Recent[PhotoPiece] = Recent(_PHOTO_BYTES)

    def of(self, album_id: str) -> Remembered:
        """What is remembered of an album."""
        with self._lock:
            found = self._albums.setdefault(album_id, Remembered())
            self._albums.move_to_end(album_id)
            while len(self._albums) > _ALBUMS:
                self._albums.popitem(last=False)
            return found

    def clear(self) -> None:
        """Forget everything."""
        self.photo_pieces.clear()
        with self._lock:
            self._albums.clear()
