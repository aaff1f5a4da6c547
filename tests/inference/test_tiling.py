"""Tiles cover the photo, overlap, and are few."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from faceflow_ml.inference.tiling import tile


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 60_000), st.integers(1, 60_000), st.sampled_from([32, 320, 640, 1024]))
def test_tiles_cover_and_overlap(width: int, height: int, max_side: int) -> None:
    tiles = tile(width, height, max_side)
    if max(width, height) <= max_side:
        assert tiles == []
        return
    assert 2 <= len(tiles) <= 4
    assert len({(t.width, t.height) for t in tiles}) == 1
    for low, high, end in (("x1", "x2", width), ("y1", "y2", height)):
        spans = sorted({(getattr(t, low), getattr(t, high)) for t in tiles})
        assert spans[0][0] == 0
        assert spans[-1][1] == end
        for (_, previous), (start, stop) in pairwise(spans):
            overlap = (previous - start) / (stop - start)
            assert overlap >= 0.25 - 3 / (stop - start)
    # Every tile is smaller than the photo: it is seen at a higher resolution.
    assert max(tiles[0].width, tiles[0].height) < max(width, height) or max_side == 32


def test_an_ordinary_photo_gets_four_and_a_panorama_a_row() -> None:
    assert [(t.x1, t.y1) for t in tile(4000, 3000, 640)] == [
        (0, 0),
        (1714, 0),
        (0, 1285),
        (1714, 1285),
    ]
    row = tile(12_000, 1000, 640)
    assert len(row) == 4
    assert {(t.y1, t.y2) for t in row} == {(0, 1000)}
    assert len({(t.x1, t.x2) for t in tile(1000, 12_000, 640)}) == 1
