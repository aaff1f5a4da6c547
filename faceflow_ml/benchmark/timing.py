"""Timing of single calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

RUNS = 30
WARM_UP = 5


@dataclass(frozen=True)
class Timing:
    """Milliseconds of repeated calls: the median, and the 90th percentile."""

    median_ms: float
    p90_ms: float
    runs: int


def time_call(call: Callable[[], object], *, runs: int = RUNS, warm_up: int = WARM_UP) -> Timing:
    """Time a call ``runs`` times, after ``warm_up`` calls that do not count.

    Raises:
        ValueError: ``runs`` is less than 1.
    """
    if runs < 1:
        raise ValueError(f"expected runs >= 1, got {runs}")
    for _ in range(warm_up):
        call()
    return summarise([_milliseconds(call) for _ in range(runs)])


def summarise(milliseconds: list[float]) -> Timing:
    """Median and 90th percentile of some times.

    >>> summarise([1.0, 3.0, 2.0])
    Timing(median_ms=2.0, p90_ms=2.8, runs=3)
    """
    return Timing(
        median_ms=round(float(np.median(milliseconds)), 3),
        p90_ms=round(float(np.percentile(milliseconds, 90)), 3),
        runs=len(milliseconds),
    )


class Stopwatch:
    """Collects times by name: ``with watch("decode", per=3): ...`` adds a third of the time."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, list[float]] = {}

    @contextmanager
    def __call__(self, name: str, per: int = 1) -> Iterator[None]:
        """Time the block; nothing is added if ``per`` is 0, as when a photo has no faces."""
        started = time.perf_counter()
        yield
        if per:
            passed = (time.perf_counter() - started) * 1000 / per
            self.milliseconds.setdefault(name, []).append(passed)


def _milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000
