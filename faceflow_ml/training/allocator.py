"""Memory that is freed is kept for the next step, where training runs on a CPU."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of <malloc.h>


def keep_freed_memory() -> None:
    """Have glibc keep freed memory in this process; other C libraries are left as they are.

    By default it gives arrays of 32 MiB and more back to the system at once, so that every training
    step asks for its maps again and waits for their pages to be zeroed.
    """
    if os.name != "posix":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
