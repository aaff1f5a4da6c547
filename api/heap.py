"""What this process asks of the C library's allocator: glibc's, others are left as they are."""

from __future__ import annotations

import ctypes
import os

_ARENA_MAX = -8
"""``M_ARENA_MAX`` of malloc.h."""


def share_heaps() -> None:
    """No more heaps than processors; to be called before there are threads.

    Each thread would otherwise take one for itself, up to eight for each processor, and what one
    of them has free is of no use to the others. ``MALLOC_ARENA_MAX`` says otherwise.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt") and "MALLOC_ARENA_MAX" not in os.environ:
        libc.mallopt(_ARENA_MAX, max(2, os.cpu_count() or 1))


def give_back() -> None:
    """Return free pages between what is in use to the system; takes some milliseconds."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
