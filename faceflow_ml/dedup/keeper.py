"""Which of several duplicates to keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol

from faceflow_ml.dedup.items import DedupItem


class Version(Protocol):
    """What a choice between versions of a photo looks at; see `DedupItem`."""

    @property
    def path(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def faces(self) -> int: ...


def preference(item: Version) -> tuple[int, int, int, str]:
    """Sort key, best first: most pixels, then most faces, most bytes, and the path."""
    return (-item.width * item.height, -item.faces, -item.size_bytes, item.path)


def rank(items: Iterable[DedupItem]) -> list[DedupItem]:
    """Items from the one to keep to the one to drop first."""
    return sorted(items, key=preference)


def assign_keepers(
    count: int,
    pairs: Iterable[tuple[int, int]],
    confirm: Callable[[int, int], bool] = lambda _better, _worse: True,
) -> dict[int, list[int]]:
    """Which of ``count`` photos, the best first, are dropped for which.

    A photo is dropped only for a keeper that it is itself a pair with: likeness is not passed on
    from photo to photo, so that a long burst does not collapse into one picture. A photo is kept
    or dropped, never both, and dropped once.

    Args:
        count: photos, numbered from the one to keep first.
        pairs: near-duplicates, ``better < worse``.
        confirm: whether a pair is one indeed; asked only of pairs of a keeper and a photo not
            dropped before, so that n versions of one photo cost n - 1 looks.

    Returns:
        The dropped of each keeper that has any, in order.

    >>> assign_keepers(4, [(0, 1), (1, 2), (2, 3)])
    {0: [1], 2: [3]}
    """
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for better, worse in pairs:
        alike[better].append(worse)
    groups: dict[int, list[int]] = {}
    dropped: set[int] = set()
    for keeper in range(count):
        if keeper not in dropped:
            left = sorted(set(alike[keeper]) - dropped)
            found = [worse for worse in left if confirm(keeper, worse)]
            dropped.update(found)
            if found:
                groups[keeper] = found
    return groups
