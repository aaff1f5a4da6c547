"""Overlapping tiles of a big photo, in which small faces are seen at a higher resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Neighbours share this part of a tile. A face cut by a tile's border is then either whole in the
# neighbour, or so big that the whole photo, reduced, shows it well.
_OVERLAP = 0.25
_MAX_TILES = 4


@dataclass(frozen=True)
class Region:
    """A rectangle of a photo: x1, y1, x2, y2 in whole pixels, the end excluded."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.x2 - self.x1

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.y2 - self.y1


def tile(width: int, height: int, max_side: int) -> list[Region]:
    """Two to four equal tiles that cover a photo, or none if it is not larger than ``max_side``.

    There are as many along the longer axis as the limit and the photo's resolution have use for,
    so an ordinary photo gets 2 x 2 and a panorama up to four in a row.
    """
    longest, shortest = max(width, height), min(width, height)
    if longest <= max_side:
        return []
    for along in range(_MAX_TILES, 1, -1):
        gain = _gain(along)
        across = math.ceil((shortest * gain / longest - _OVERLAP) / (1 - _OVERLAP) - 1e-9)
        across = max(1, across)
        if along * across <= _MAX_TILES and (along == 2 or gain <= longest / max_side):
            break
    columns, rows = (along, across) if width >= height else (across, along)
    spans_x, spans_y = _spans(width, columns), _spans(height, rows)
    return [Region(x1, y1, x2, y2) for y1, y2 in spans_y for x1, x2 in spans_x]


def _gain(count: int) -> float:
    """Length of ``count`` overlapping tiles, in tiles."""
    return count - (count - 1) * _OVERLAP


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    size = math.ceil(length / _gain(count))
    if count == 1:
        return [(0, length)]
    starts = [round(i * (length - size) / (count - 1)) for i in range(count)]
    return [(start, start + size) for start in starts]
