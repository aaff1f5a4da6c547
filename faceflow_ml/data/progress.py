"""How far the work is that comes before training: minutes in which nothing else would be seen."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

_SILENT_S = 2.0  # work that is done sooner needs no bar
_LOGGED_S = 10.0  # between two lines of a log


def counted(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield ``items`` and show on stderr how many there were: on a terminal, or every ten seconds.

    Args:
        items: what is worked on, ``total`` in number.
        description: of the work, such as ``Decoding faces``.
        total: how many there will be.

    >>> list(counted("ab", "Spelling", 2))
    ['a', 'b']
    """
    yield from tqdm(
        items,
        description,
        total,
        delay=_SILENT_S,
        mininterval=0.1 if sys.stderr.isatty() else _LOGGED_S,
        leave=False,
    )
