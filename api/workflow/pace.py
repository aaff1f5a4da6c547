"""How fast work in the background goes, so that people's own uploads are not held up by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Pace:
    """So many pieces of work a second, over all jobs of a process; those who ask wait by turns.

    clock, sleep: seconds that pass, and waiting.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._next = float("-inf")

    def wait(self, pieces: int, rate: float, checkpoint: Callable[[], None]) -> None:
        """Wait until so many pieces may begin.

        Args:
            pieces: at least 0.
            rate: pieces a second.
            checkpoint: called several times a second while waiting; what it raises ends that.
        """
        with self._lock:
            now = self._clock()
            mine = max(now, self._next)
            self._next = mine + pieces / rate
        while (left := mine - self._clock()) > 0:
            checkpoint()
            self._sleep(min(left, 0.25))
