"""The index of an album's perceptual hashes: kept in blocks, extended and never made anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from api.domain.ingest_rows import HashBlock
from api.repositories.records import Repository
from api.repositories.table import Put
from api.services import Services
from faceflow_ml.dedup.hashing import hamming

_BLOCK = 500


class HashIndex:
    """Hashes of an album as of its reading. Photos that were deleted since may still be in it."""

    def __init__(self, services: Services, album_id: str) -> None:
        self._services = services
        self._album_id = album_id
        self._blocks = list(Repository(services.table, HashBlock).all(f"ALBUM#{album_id}"))
        self._ids = [photo_id for block in self._blocks for photo_id in block.photo_ids]
        self._known = set(self._ids)
        self._hashes = _array([text for block in self._blocks for text in block.hashes])

    def add(self, hashes: Mapping[str, str]) -> None:
        """Add the hashes of photos, by id; those that are there already stay."""
        new = [(photo_id, text) for photo_id, text in hashes.items() if photo_id not in self._known]
        if not new:
            return
        last = self._blocks[-1] if self._blocks else HashBlock(album_id=self._album_id, number=0)
        rows = [*zip(last.photo_ids, last.hashes, strict=True), *new]
        blocks = [
            HashBlock(
                album_id=self._album_id,
                number=last.number + start // _BLOCK,
                photo_ids=tuple(photo_id for photo_id, _ in rows[start : start + _BLOCK]),
                hashes=tuple(text for _, text in rows[start : start + _BLOCK]),
            )
            for start in range(0, len(rows), _BLOCK)
        ]
        self._services.table.write_many([Put(block.key(), block.to_item()) for block in blocks])
        self._blocks = [*self._blocks[:-1], *blocks]
        self._ids += [photo_id for photo_id, _ in new]
        self._known.update(photo_id for photo_id, _ in new)
        self._hashes = np.concatenate([self._hashes, _array([text for _, text in new])])

    def near(self, text: str, radius: int) -> list[str]:
        """Ids of photos whose hash differs in at most ``radius`` bits."""
        distances = hamming(np.uint64(int(text, 16)), self._hashes)
        return [self._ids[place] for place in np.flatnonzero(distances <= radius)]


def _array(texts: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([int(text, 16) for text in texts], dtype=np.uint64)
