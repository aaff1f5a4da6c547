"""Asking a service that may be busy or gone: again after a pause, and not at all for a while."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

T = TypeVar("T")


class Unavailable(Exception):
    """The service did not answer, is busy, or has not answered lately; later it may."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when to ask again.

    attempts: at most, the first included.
    first_pause, longest_pause: seconds; each pause is of random length up to a bound that doubles
        ("full jitter"), so that callers who were refused together do not come back together.
    """

    attempts: int = 5
    first_pause: float = 0.2
    longest_pause: float = 5.0


class CircuitBreaker:
    """Lets calls through until several in a row have failed; then none for a while; then one, to
    see.

    Args:
        failures: in a row that open the circuit.
        rest: seconds that it stays open.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        failures: int = 10,
        rest: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._lock = Lock()

    def check(self) -> None:
        """Ask before each call.

        Raises:
            Unavailable: the circuit is open.
        """
        with self._lock:
            if self._failures < self._limit:
                return
            left = self._open_until - self._clock()
            if left > 0:
                raise Unavailable(f"no answer lately; to be asked again in {left:.0f} s")
            # This caller is the one who looks; the others wait for what it finds.
            self._open_until = self._clock() + self._rest

    def succeeded(self) -> None:
        """The call was answered, whatever the answer."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Nobody answered, or it was refused for being busy."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._limit:
                self._open_until = self._clock() + self._rest


def call(
    work: Callable[[], T],
    breaker: CircuitBreaker,
    policy: RetryPolicy,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The result of ``work``, which is repeated while it raises `Unavailable`.

    Raises:
        Unavailable: it did at the last attempt, or the circuit is open.
        Exception: anything else that ``work`` raises, at once: an answer, if a bad one.
    """
    pause = policy.first_pause
    for attempt in range(1, policy.attempts + 1):
        breaker.check()
        try:
            result = work()
        except Unavailable:
            breaker.failed()
            if attempt == policy.attempts:
                raise
            sleep(random.uniform(0, pause))
            pause = min(2 * pause, policy.longest_pause)
        except BaseException:
            breaker.succeeded()
            raise
        else:
            breaker.succeeded()
            return result
    raise AssertionError("a policy has one attempt at least")
