"""Which of several duplicates to keep."""

from __future__ import annotations

from collections.abc import Iterable

from faceflow_ml.dedup.items import DedupItem


def preference(item: DedupItem) -> tuple[int, int, int, str]:
    """Sort key, best first: most pixels, then most faces, most bytes, and the path."""
    return (-item.width * item.height, -item.faces, -item.size_bytes, item.path)


def rank(items: Iterable[DedupItem]) -> list[DedupItem]:
    """Items from the one to keep to the one to drop first."""
    return sorted(items, key=preference)
