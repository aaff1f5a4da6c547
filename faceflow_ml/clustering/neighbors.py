"""The nearest neighbours of every vector, as a list of similar pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.cells import cells

EXACT = 20_000
"""Vectors up to which everything is compared with everything."""
_ROWS = 1024
_BUFFER = 32_000_000  # pairs that wait until all but the most similar of each vector are dropped


@dataclass(frozen=True)
class SimilarPairs:
    """Undirected edges of a similarity graph, each once, ``first < second``."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    similarity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)

    def above(self, floor: float) -> SimilarPairs:
        """The pairs with similarity of at least ``floor``."""
        return self._select(self.similarity >= floor)

    def within(self, labels: NDArray[np.int64]) -> SimilarPairs:
        """The pairs whose ends have the same label, -1 being none."""
        first = labels[self.first]
        return self._select((first == labels[self.second]) & (first >= 0))

    def among(self, chosen: NDArray[np.bool_]) -> SimilarPairs:
        """The pairs with both ends chosen, ends renumbered among the chosen."""
        number = np.cumsum(chosen) - 1
        kept = self._select(chosen[self.first] & chosen[self.second])
        return SimilarPairs(number[kept.first], number[kept.second], kept.similarity)

    def touching(self, chosen: NDArray[np.bool_]) -> SimilarPairs:
        """The pairs with at least one end chosen."""
        return self._select(chosen[self.first] | chosen[self.second])

    def between(self, labels: NDArray[np.int64]) -> SimilarPairs:
        """Edges between labels: for each two, their most similar pair. -1 is no label.

        >>> pairs = SimilarPairs(*map(np.array, ([0, 0, 1], [1, 2, 2], [0.9, 0.2, 0.3])))
        >>> pairs.between(np.array([0, 0, 1])).similarity.tolist()
        [0.3]
        """
        a, b = labels[self.first], labels[self.second]
        low, high = np.minimum(a, b), np.maximum(a, b)
        order = np.lexsort((-self.similarity, high, low))
        order = order[(low[order] != high[order]) & (low[order] >= 0)]
        low, high = low[order], high[order]
        best = np.ones(len(order), dtype=bool)
        best[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
        return SimilarPairs(low[best], high[best], self.similarity[order][best])

    def _select(self, keep: NDArray[np.bool_]) -> SimilarPairs:
        return SimilarPairs(self.first[keep], self.second[keep], self.similarity[keep])


def similar_pairs(vectors: NDArray[np.float32], limit: int, floor: float = -np.inf) -> SimilarPairs:
    """Pairs in which one is among the other's ``limit`` most similar.

    The search is exact up to `EXACT` vectors and approximate beyond, see `cells`.

    Args:
        vectors: (n, d) float32, L2-normalised, so that similarity is cosine.
        limit: neighbours per vector. Memory is O(n * limit), never O(n^2).
        floor: pairs below this similarity are left out, which saves most of the memory.
    """
    found = _Collector(len(vectors), limit, floor)
    if len(vectors) <= EXACT:
        for start in range(0, len(vectors), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(vectors)))
            found.add(rows, np.arange(len(vectors)), vectors[rows] @ vectors.T)
    else:
        for rows, columns in cells(vectors):
            found.add(rows, columns, vectors[rows] @ vectors[columns].T)
    return found.pairs()


class _Collector:
    """Gathers pairs from blocks of similarities; each row meets each column once at most."""

    def __init__(self, n: int, limit: int, floor: float) -> None:
        self._n, self._limit, self._floor = n, limit, floor
        self._rows: list[NDArray[np.int32]] = []
        self._columns: list[NDArray[np.int32]] = []
        self._similarities: list[NDArray[np.float32]] = []
        self._waiting = 0

    def add(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], block: NDArray[np.float32]
    ) -> None:
        """Take the pairs of ``block`` (rows, columns) that reach the floor, the best of each row.

        ``block`` is not used again by the caller.
        """
        keep = block >= self._floor
        # One more than the limit, since a vector may meet itself.
        for row in np.flatnonzero(np.count_nonzero(keep, axis=1) > self._limit + 1).tolist():
            among = np.flatnonzero(keep[row])
            best = np.argpartition(-block[row, among], self._limit)[: self._limit + 1]
            keep[row] = False
            keep[row, among[best]] = True
        i, j = np.divmod(np.flatnonzero(keep), len(columns))
        other = rows[i] != columns[j]
        i, j = i[other], j[other]
        self._rows.append(rows[i].astype(np.int32))
        self._columns.append(columns[j].astype(np.int32))
        self._similarities.append(block[i, j])
        self._waiting += len(i)
        if self._waiting > _BUFFER:
            row_of, column_of, similarity = self._best()
            self._rows, self._columns = [row_of], [column_of]
            self._similarities = [similarity]
            self._waiting = 0

    def pairs(self) -> SimilarPairs:
        """What was gathered, each pair once."""
        source, target, similarity = self._best()
        low = np.minimum(source, target).astype(np.int64)
        high = np.maximum(source, target).astype(np.int64)
        # Both ends usually find the pair; its two similarities may differ in the last bit.
        _, once = np.unique(low * self._n + high, return_index=True)
        return SimilarPairs(low[once], high[once], similarity[once])

    def _best(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """Rows, columns and similarities, the most similar ``limit`` of each row."""
        empty = np.empty(0, np.int32)
        row = np.concatenate([empty, *self._rows])
        column = np.concatenate([empty, *self._columns])
        similarity = np.concatenate([empty.astype(np.float32), *self._similarities])
        if (np.bincount(row) > self._limit).any():
            order = np.lexsort((-similarity, row))
            row, column, similarity = row[order], column[order], similarity[order]
            start = np.searchsorted(row, np.arange(self._n, dtype=np.int32))
            kept = np.arange(len(row)) - start[row] < self._limit
            row, column, similarity = row[kept], column[kept], similarity[kept]
        return row, column, similarity
