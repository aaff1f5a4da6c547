"""Must-link and cannot-link constraints between faces: closure, and contradictions."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
_NONE: frozenset[int] = frozenset()


class UnionFind:
    """Disjoint sets over 0..n-1, with path halving and union by size."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))
        self._size = [1] * n

    def find(self, item: int) -> int:
        """The representative of the set that holds ``item``."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, first: int, second: int) -> None:
        """Join the sets of ``first`` and ``second``."""
        a, b = self.find(first), self.find(second)
        if a == b:
            return
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size[b]

    def labels(self) -> NDArray[np.int64]:
        """(n,) set numbers, contiguous from 0 in order of each set's first member."""
        numbers: dict[int, int] = {}
        roots = (self.find(item) for item in range(len(self._parent)))
        return np.array([numbers.setdefault(r, len(numbers)) for r in roots], dtype=np.int64)


@dataclass(frozen=True)
class Constraints:
    """What may share a group, after must-links are closed into units.

    A unit is a set of faces that must share a group; most units are one face. Two units
    must not share a group when they are in each other's ``forbidden`` set or have a photo
    in common.
    """

    unit: NDArray[np.int64]
    """(n,) the unit of each face, 0..m-1."""
    photos: tuple[frozenset[int], ...]
    """For each unit, the photos its faces are in; empty sets when photos are unknown."""
    forbidden: tuple[frozenset[int], ...]
    """For each unit, the units it must not join by explicit cannot-links (symmetric)."""

    def __len__(self) -> int:
        return len(self.photos)

    def take(self, order: NDArray[np.int64]) -> Constraints:
        """The same constraints with the faces in another order (a permutation).

        Units are numbered by their first face in the new order.
        """
        old = self.unit[order]
        units, first = np.unique(old, return_index=True)
        kept = units[np.argsort(first)].tolist()
        number = {unit: k for k, unit in enumerate(kept)}
        return Constraints(
            unit=np.array([number[u] for u in old.tolist()], dtype=np.int64),
            photos=tuple(self.photos[u] for u in kept),
            forbidden=tuple(
                frozenset(number[o] for o in self.forbidden[u]) if self.forbidden[u] else _NONE
                for u in kept
            ),
        )


def check_pairs(pairs: Iterable[Sequence[int]], n: int, name: str) -> list[Pair]:
    """Index pairs as tuples; ValueError for anything but two indices in 0..n-1."""
    checked = []
    for pair in pairs:
        try:
            i, j = (operator.index(end) for end in pair)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must hold pairs of face indices, got {pair!r}") from None
        if not (0 <= i < n and 0 <= j < n):
            raise ValueError(f"{name} pair ({i}, {j}) is out of range for {n} faces")
        checked.append((i, j))
    return checked


def photo_codes(photo_ids: Sequence[Any] | NDArray[Any] | None, n: int) -> NDArray[np.int64]:
    """(n,) integers, equal where photo ids are equal; all different when they are not known."""
    if photo_ids is None:
        return np.arange(n, dtype=np.int64)
    ids = np.asarray(photo_ids)
    if ids.shape != (n,):
        raise ValueError(f"photo_ids must hold one id for each of {n} faces, got {ids.shape}")
    if n == 0:
        return np.empty(0, dtype=np.int64)
    if ids.dtype.kind not in "iuUS":
        raise ValueError(f"photo_ids must all be strings or all integers, got dtype {ids.dtype}")
    return np.asarray(np.unique(ids, return_inverse=True)[1], dtype=np.int64)


def resolve_constraints(
    n: int,
    photos: NDArray[np.int64] | None = None,
    must_link: Iterable[Sequence[int]] = (),
    cannot_link: Iterable[Sequence[int]] = (),
) -> Constraints:
    """Close must-links transitively and lift cannot-links to the resulting units.

    Args:
        n: the number of faces.
        photos: (n,) photo of each face, -1 for one that is alone in its photo, or None when
            photos do not constrain. Faces of one photo exclude each other, except those that
            must-links join: a person said so.
        must_link: pairs of faces that share a group.
        cannot_link: pairs of faces that do not.

    Raises:
        ValueError: a pair is malformed, or a cannot-link joins two faces that must-links
            (or their closure) put together; the message names that pair.

    >>> resolved = resolve_constraints(4, must_link=[(0, 1), (1, 2)], cannot_link=[(2, 3)])
    >>> resolved.unit.tolist(), [sorted(f) for f in resolved.forbidden]
    ([0, 0, 0, 1], [[1], [0]])
    """
    linked = check_pairs(must_link, n, "must_link")
    if linked:
        sets = UnionFind(n)
        for i, j in linked:
            sets.union(i, j)
        unit = sets.labels()
    else:
        unit = np.arange(n, dtype=np.int64)
    count = int(unit.max()) + 1 if n else 0

    forbidden: dict[int, set[int]] = {}
    for i, j in check_pairs(cannot_link, n, "cannot_link"):
        a, b = int(unit[i]), int(unit[j])
        if a == b:
            raise ValueError(f"cannot_link pair ({i}, {j}) contradicts must_link")
        forbidden.setdefault(a, set()).add(b)
        forbidden.setdefault(b, set()).add(a)

    in_photos: dict[int, set[int]] = {}
    if photos is not None:
        for face in np.flatnonzero(photos >= 0).tolist():
            in_photos.setdefault(int(unit[face]), set()).add(int(photos[face]))
    return Constraints(
        unit=unit,
        photos=tuple(frozenset(in_photos[a]) if a in in_photos else _NONE for a in range(count)),
        forbidden=tuple(frozenset(forbidden[a]) if a in forbidden else _NONE for a in range(count)),
    )
