"""What happens in an album, told to whoever watches it in this process, or through a `Sink` in
others.

Nothing is kept: a client that was away asks for the album's status, which is always complete.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal

EventKind = Literal["job", "photos", "people", "album", "shares", "ping"]

_QUEUE = 256


@dataclass(frozen=True)
class Event:
    """Something changed. ``data`` is JSON, for showing; what counts is read from the API."""

    kind: EventKind
    data: Mapping[str, Any] = field(default_factory=dict)


Sink = Callable[[str, Event], None]
"""Takes the events of albums, by their ids, out of this process; from any thread, never raises."""


class Subscription:
    """Events of one album on their way to one watcher, on its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)

    async def next(self) -> Event:
        """The next event."""
        return await self._queue.get()

    def offer(self, event: Event) -> None:
        """Hand over an event from any thread; one that nobody takes in time is dropped."""
        try:
            self._loop.call_soon_threadsafe(self._put, event)
        except RuntimeError:  # the watcher's loop has ended
            return

    def _put(self, event: Event) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(event)


class EventHub:
    """Publishers and watchers of one process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._watchers: defaultdict[str, set[Subscription]] = defaultdict(set)
        self.sink: Sink | None = None

    def publish(self, album_id: str, event: Event) -> None:
        """Tell the watchers of an album; from any thread. Only a sink may take its time."""
        with self._lock:
            watchers = list(self._watchers.get(album_id, ()))
        for watcher in watchers:
            watcher.offer(event)
        if self.sink is not None:
            self.sink(album_id, event)

    @contextmanager
    def subscribe(self, album_id: str) -> Iterator[Subscription]:
        """Watch an album from the running event loop for the length of the block."""
        subscription = Subscription(asyncio.get_running_loop())
        with self._lock:
            self._watchers[album_id].add(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                self._watchers[album_id].discard(subscription)
                if not self._watchers[album_id]:
                    del self._watchers[album_id]


_hub = EventHub()


def publish(album_id: str, event: Event) -> None:
    """Tell whoever watches an album."""
    _hub.publish(album_id, event)


def forward(sink: Sink | None) -> None:
    """From now on tell a sink as well; None: no more."""
    _hub.sink = sink


def subscribe(album_id: str) -> AbstractContextManager[Subscription]:
    """Watch an album: a context manager of a `Subscription`."""
    return _hub.subscribe(album_id)
