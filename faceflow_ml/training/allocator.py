"""Memory that is freed is kept for the next step, where training runs on a CPU."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory in this process; returns whether it does.

    By default it gives arrays of 32 MiB and more back to the system at once, so that every training
    step asks for its maps again and waits for their pages to be zeroed. Other C libraries are left
    as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
