"""Constrained average-linkage agglomeration on a sparse similarity graph."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.constraints import Constraints
from faceflow_ml.clustering.neighbors import SimilarPairs


@dataclass(frozen=True)
class Groups:
    """Groups of faces with what is needed to decide whether two of them may be joined.

    The sum of unit vectors gives average linkage exactly: the mean cosine over all pairs of
    faces across two groups is ``sums[a] @ sums[b] / (counts[a] * counts[b])``.
    """

    sums: NDArray[np.float32]
    """(m, d) sum of each group's L2-normalised vectors."""
    counts: NDArray[np.int64]
    """(m,) faces in each group."""
    photos: tuple[frozenset[int], ...]
    """The photos each group has faces in: groups that share one are not joined."""
    forbidden: tuple[frozenset[int], ...]
    """The groups each group is not joined with."""

    def __len__(self) -> int:
        return len(self.counts)

    @classmethod
    def of_units(cls, vectors: NDArray[np.float32], constraints: Constraints) -> Groups:
        """One group for each unit of ``constraints``, from (n, d) L2-normalised vectors."""
        m = len(constraints)
        sums = np.zeros((m, vectors.shape[1]), dtype=np.float32)
        np.add.at(sums, constraints.unit, vectors)
        counts = np.bincount(constraints.unit, minlength=m).astype(np.int64)
        return cls(sums, counts, constraints.photos, constraints.forbidden)

    def contract(self, labels: NDArray[np.int64]) -> Groups:
        """Join groups of equal label (labels contiguous from 0)."""
        m = int(labels.max()) + 1 if len(labels) else 0
        sums = np.zeros((m, self.sums.shape[1]), dtype=np.float32)
        np.add.at(sums, labels, self.sums)
        photos: list[set[int]] = [set() for _ in range(m)]
        forbidden: list[set[int]] = [set() for _ in range(m)]
        for label, seen, barred in zip(labels.tolist(), self.photos, self.forbidden, strict=True):
            photos[label] |= seen
            forbidden[label].update(labels[list(barred)].tolist())
        return Groups(
            sums=sums,
            counts=np.bincount(labels, weights=self.counts, minlength=m).astype(np.int64),
            photos=tuple(frozenset(p) for p in photos),
            forbidden=tuple(frozenset(f) for f in forbidden),
        )

    def directions(self) -> NDArray[np.float32]:
        """(m, d) L2-normalised centroids; zero where the vectors of a group cancel out."""
        norms = np.linalg.norm(self.sums, axis=1, keepdims=True)
        return np.asarray(self.sums / np.maximum(norms, np.finfo(np.float32).tiny))


def agglomerate(
    groups: Groups,
    pairs: SimilarPairs,
    threshold: float,
    *,
    small_margin: float = 0.0,
    satellite: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Join the most similar compatible groups until none reach the threshold (UPGMA).

    With all pairs of similarity >= ``threshold`` given, the result is exact average linkage:
    a mean that reaches the threshold has a term that does, and by reducibility two groups
    below it cannot exceed it before one of them grows.

    Args:
        groups: m starting groups.
        pairs: edges between groups; only joined groups that an edge reaches are considered.
        threshold: the mean cosine at which two groups are one person, in [-1, 1].
        small_margin: added to the threshold, times ``(1/|a| + 1/|b|) / 2``: a mean over few
            pairs of faces strays further by chance, so that small groups need more evidence.
        satellite: (m,) groups that may join another but never found one together.

    Returns:
        (m,) labels, contiguous from 0 in order of each result's first group.
    """
    m = len(groups)
    sums = groups.sums.copy()
    counts = groups.counts.astype(np.float64)
    photos = [set(p) for p in groups.photos]
    forbidden = [set(f) for f in groups.forbidden]
    parent = np.arange(m)
    founder = [True] * m if satellite is None else (~satellite).tolist()
    version = [0] * m
    near: list[set[int]] = [set() for _ in range(m)]
    heap: list[tuple[float, int, int, int, int]] = []

    def means_with(a: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(sums[others] @ sums[a] / (counts[others] * counts[a]))

    def meet(a: int, candidates: list[int]) -> None:
        """Keep the candidates near ``a`` that are close and compatible."""
        means = means_with(a, np.array(candidates)).tolist()
        for b, mean in zip(candidates, means, strict=True):
            barred = b in forbidden[a] or not photos[a].isdisjoint(photos[b])
            if mean < threshold or barred or not (founder[a] or founder[b]):
                near[b].discard(a)
            else:
                near[a].add(b)
                near[b].add(a)

    def queue_closest(a: int) -> None:
        """Queue the closest group that ``a`` may be joined with now."""
        if not near[a]:
            return
        others = np.array(sorted(near[a]))
        means = means_with(a, others)
        means[means < threshold + small_margin * (1 / counts[others] + 1 / counts[a]) / 2] = -np.inf
        best = int(np.argmax(means))
        if means[best] > -np.inf:
            b = int(others[best])
            heapq.heappush(heap, (-float(means[best]), a, b, version[a], version[b]))

    starts: list[list[int]] = [[] for _ in range(m)]
    for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        starts[b].append(a)
    for b, candidates in enumerate(starts):
        if candidates:
            meet(b, candidates)
    for a in range(m):
        queue_closest(a)

    # Each group has its closest other in the queue. An entry whose other end has changed is
    # an upper bound by reducibility, and looked up again when its turn comes.
    while heap:
        _, a, b, version_a, version_b = heapq.heappop(heap)
        if version[a] != version_a:
            continue
        if version[b] != version_b:
            queue_closest(a)
            continue
        a, b = min(a, b), max(a, b)
        sums[a] += sums[b]
        counts[a] += counts[b]
        photos[a] |= photos[b]
        founder[a] = True
        parent[b] = a
        version[a] += 1
        version[b] = -1  # never matches again
        for other in forbidden[b]:
            forbidden[other].discard(b)
            forbidden[other].add(a)
        forbidden[a] |= forbidden[b]
        for other in near[b]:
            near[other].discard(b)
        candidates = sorted((near[a] | near[b]) - {a, b})
        near[a].clear()
        near[b].clear()
        if candidates:
            meet(a, candidates)
            queue_closest(a)

    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return np.unique(parent, return_inverse=True)[1].astype(np.int64)
