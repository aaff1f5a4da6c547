"""Which number an id has, among a hundred thousand, without a dictionary of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from api.domain.runs import ID_TYPE, Ids


class IdIndex(Mapping[str, int]):
    """The number of each id: its place in the array, the last if it came twice.

    A sorted array: a tenth of a dictionary's memory, and with some more ids at the end it is
    copied, not sorted again.
    """

    def __init__(self, ids: Ids) -> None:
        """``ids``: (n,) in any order."""
        order = np.argsort(ids, kind="stable").astype(np.int32)
        self._ids: Ids = ids[order]
        self._order = order

    def extended(self, ids: Ids) -> IdIndex:
        """With some ids more, which are numbered on."""
        more = IdIndex(ids)
        places = np.searchsorted(self._ids, more._ids, side="right")
        joined = IdIndex.__new__(IdIndex)
        joined._ids = np.insert(self._ids, places, more._ids)
        joined._order = np.insert(self._order, places, more._order + np.int32(len(self)))
        return joined

    @property
    def order(self) -> NDArray[np.int32]:
        """(n,) the numbers in the order of their ids; equal ids as they came."""
        return self._order

    def find(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """(k,) the numbers of ids; -1 for one that is not there."""
        if not ids or not len(self):
            return np.full(len(ids), -1, dtype=np.int64)
        wanted = np.array([text.encode() for text in ids])
        if wanted.dtype.itemsize <= ID_TYPE.itemsize:
            # Of one type with the others, or all of them would be copied.
            wanted = wanted.astype(ID_TYPE)
        places = np.searchsorted(self._ids, wanted, side="right") - 1
        found = (places >= 0) & (self._ids[places] == wanted)
        return np.where(found, self._order[places], -1).astype(np.int64)

    def __getitem__(self, text: str) -> int:
        number = int(self.find([text])[0])
        if number < 0:
            raise KeyError(text)
        return number

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self.find([text])[0] >= 0

    def __iter__(self) -> Iterator[str]:
        return (text.decode() for text in self._ids.tolist())

    def __len__(self) -> int:
        return len(self._ids)
