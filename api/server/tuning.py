"""What this process asks of the interpreter and of the C library, so that it answers evenly."""

from __future__ import annotations

import ctypes
import gc
import sys

_SWITCH_SECONDS = 0.001
_YOUNG, _MIDDLE, _OLD = 20_000, 20, 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 256 * 2**10
_ARENAS = 2


def give_memory_back() -> bool:
    """Let what is freed go back to the system; to be called before threads are started.

    glibc makes up to eight heaps for each core and, once a large block has been freed, puts blocks
    as large into them: each heap then stays as large as it ever was. Photos, pages and arrays of an
    album get mappings of their own instead, which end with them. False: this is no glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    wanted = {
        _M_ARENA_MAX: _ARENAS,
        _M_MMAP_THRESHOLD: _LARGE_BYTES,
        _M_TRIM_THRESHOLD: _LARGE_BYTES,
    }
    done = [mallopt(option, value) for option, value in wanted.items()]
    return all(result == 1 for result in done)


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
