"""What this process asks of the interpreter, so that it answers evenly."""

from __future__ import annotations

import gc
import sys

_SWITCH_SECONDS = 0.001
_YOUNG, _MIDDLE, _OLD = 20_000, 20, 20


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
