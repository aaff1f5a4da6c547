"""The index of an album's perceptual hashes: kept in blocks, extended and never made anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from api.domain.id_index import IdIndex
from api.domain.ingest_rows import HashBlock
from api.domain.runs import Ids
from api.domain.state import as_ids
from api.repositories.records import Repository
from api.repositories.table import Put
from api.services import Services
from faceflow_ml.dedup.hashing import hamming

_BLOCK = 500


@dataclass(frozen=True, eq=False)
class KnownHashes:
    """What a process has read of an album's hashes: (n,) ids of photos and their hashes, and the
    last block, the only one that is ever written again."""

    ids: Ids
    hashes: NDArray[np.uint64]
    number: IdIndex
    last: HashBlock

    def extended(self, blocks: Sequence[HashBlock]) -> KnownHashes:
        """With the last block as it is now, and those after it."""
        rows = (zip(block.photo_ids, block.hashes, strict=True) for block in blocks)
        new = list(chain.from_iterable(rows))
        # The last block begins with what is known of it.
        known = len(self.last.photo_ids) if blocks and blocks[0].number == self.last.number else 0
        if not new[known:]:
            return self
        ids = as_ids(photo_id for photo_id, _ in new[known:])
        return KnownHashes(
            ids=np.concatenate([self.ids, ids]),
            hashes=np.concatenate([self.hashes, _array([text for _, text in new[known:]])]),
            number=self.number.extended(ids),
            last=blocks[-1],
        )


class HashIndex:
    """Hashes of an album as of its reading. Photos that were deleted since may still be in it."""

    def __init__(self, services: Services, album_id: str) -> None:
        self._services = services
        self._album_id = album_id
        self._memory = services.memory.of(album_id)
        self._blocks = Repository(services.table, HashBlock)
        self._known = self._memory.hashes = self._read(self._memory.hashes)

    def _read(self, known: KnownHashes | None) -> KnownHashes:
        """What there is now, as far as it is not known."""
        if known is not None:
            later = list(self._from(known.last.number))
            start = known.last.photo_ids
            if later and later[0].photo_ids[: len(start)] == start:
                return known.extended(later)
        everything = list(self._blocks.all(f"ALBUM#{self._album_id}"))
        return _nothing(self._album_id).extended(everything)

    def _from(self, number: int) -> Iterator[HashBlock]:
        """A block, which others may have extended, and those after it."""
        while (block := self._blocks.get(HashBlock.key_of(self._album_id, number))) is not None:
            yield block
            number += 1

    def add(self, hashes: Mapping[str, str]) -> None:
        """Add the hashes of photos, by id; those that are there already stay."""
        known = self._known
        there = known.number.find(list(hashes)).tolist()
        new = [entry for entry, number in zip(hashes.items(), there, strict=True) if number < 0]
        if not new:
            return
        rows = [*zip(known.last.photo_ids, known.last.hashes, strict=True), *new]
        blocks = [
            HashBlock(
                album_id=self._album_id,
                number=known.last.number + start // _BLOCK,
                photo_ids=tuple(photo_id for photo_id, _ in rows[start : start + _BLOCK]),
                hashes=tuple(text for _, text in rows[start : start + _BLOCK]),
            )
            for start in range(0, len(rows), _BLOCK)
        ]
        self._services.table.write_many([Put(block.key(), block.to_item()) for block in blocks])
        self._known = self._memory.hashes = known.extended(blocks)

    def near(self, text: str, radius: int) -> list[str]:
        """Ids of photos whose hash differs in at most ``radius`` bits."""
        distances = hamming(np.uint64(int(text, 16)), self._known.hashes)
        close = self._known.ids[np.flatnonzero(distances <= radius)]
        return [photo_id.decode() for photo_id in close.tolist()]


def _nothing(album_id: str) -> KnownHashes:
    ids = as_ids([])
    first = HashBlock(album_id=album_id, number=0)
    return KnownHashes(ids, _array([]), IdIndex(ids), first)


def _array(texts: Sequence[str]) -> NDArray[np.uint64]:
    data = bytes.fromhex("".join(text.zfill(16) for text in texts))
    return np.frombuffer(data, dtype=">u8").astype(np.uint64)
