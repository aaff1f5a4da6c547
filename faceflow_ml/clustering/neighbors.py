"""The nearest neighbours of every vector, as a list of similar pairs."""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray


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


def similar_pairs(vectors: NDArray[np.float32], limit: int) -> SimilarPairs:
    """Pairs in which one is among the other's ``limit`` most similar, by exact search.

    Args:
        vectors: (n, d) float32, L2-normalised, so that similarity is cosine.
        limit: neighbours per vector. Memory is O(n * limit), never O(n^2).
    """
    n = len(vectors)
    k = min(limit + 1, n)  # each vector also finds itself
    if k < 2:
        empty = np.empty(0, dtype=np.int64)
        return SimilarPairs(empty, empty, np.empty(0, dtype=np.float32))
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    similarity, neighbor = index.search(vectors, k)
    source = np.repeat(np.arange(n, dtype=np.int64), k)
    target = neighbor.ravel().astype(np.int64)
    low, high = np.minimum(source, target), np.maximum(source, target)
    # Both ends usually find the pair; its two similarities may differ in the last bit.
    _, once = np.unique(low * n + high, return_index=True)
    once = once[low[once] != high[once]]
    return SimilarPairs(low[once], high[once], similarity.ravel()[once])
