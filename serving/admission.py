"""The bounded queue: how many images may be in the server, from a request's first byte on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from serving import metrics
from serving.errors import Busy


class Place:
    """What one request takes of the queue."""

    def __init__(self, queue: Admission) -> None:
        self._queue = queue
        self.images = 1
        """How many places it holds: one until it is known how many images there are."""

    def grow(self, images: int) -> None:
        """Take as many places as there are images.

        Raises:
            Busy: there is no room for them. A request that is alone always has room.
        """
        more = max(images, 1) - self.images
        others = self._queue.taken - self.images
        if others and self._queue.taken + more > self._queue.size:
            raise Busy(f"the queue has no room for {images} images")
        self._queue.change(more)
        self.images += more


class Admission:
    """``size`` places; one who finds them taken is sent away at once instead of kept waiting."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place for the block.

        Raises:
            Busy: all are taken.
        """
        if self.taken >= self.size:
            raise Busy("the queue is full")
        place = Place(self)
        self.change(1)
        try:
            yield place
        finally:
            self.change(-place.images)

    def change(self, places: int) -> None:
        """Take so many places, or give them back."""
        self.taken += places
        metrics.QUEUE.set(self.taken)
