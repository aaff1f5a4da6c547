"""What this process asks of the interpreter and of its threads, so that it answers evenly."""

from __future__ import annotations

import gc
import os
import sys

from anyio import to_thread

_SWITCH_SECONDS = 0.001
_YOUNG, _MIDDLE, _OLD = 20_000, 20, 20
_THREADS_A_CORE = 4
_FEWEST_THREADS = 8


def share_evenly() -> None:
    """Let nobody wait long for the interpreter's lock; to be called when everything is loaded.

    The event loop needs the lock a moment for each request, behind every thread that makes a page:
    five milliseconds each, if nothing else is said. And a collection of everything that was
    loaded stops all threads for tens of milliseconds, to find that none of it is garbage.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def few_threads() -> None:
    """Let only some requests be worked on at a time, the others in the order in which they came; to
    be called from the event loop.

    Where nothing is far away a request hardly waits but for the interpreter's lock, and of forty
    threads that ask for it (AnyIO's number) all are late, the event loop behind them. Some more
    than processors, since some do wait: for the disk, or for a password's hash.
    """
    few = max(_FEWEST_THREADS, _THREADS_A_CORE * (os.cpu_count() or 1))
    limiter = to_thread.current_default_thread_limiter()
    limiter.total_tokens = min(limiter.total_tokens, few)
