"""Constrained average-linkage agglomeration on a sparse similarity graph."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

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
        # A face a unit is the rule, and a large album is not copied for it.
        alone = m == len(vectors)
        sums = vectors if alone else _add_rows(vectors, constraints.unit, m)
        counts = np.bincount(constraints.unit, minlength=m).astype(np.int64)
        return cls(sums, counts, constraints.photos, constraints.forbidden)

    def contract(self, labels: NDArray[np.int64]) -> Groups:
        """Join groups of equal label (labels contiguous from 0)."""
        m = int(labels.max()) + 1 if len(labels) else 0
        photos: list[frozenset[int]] = [_NONE] * m
        forbidden: list[frozenset[int]] = [_NONE] * m
        for label, seen, barred in zip(labels.tolist(), self.photos, self.forbidden, strict=True):
            photos[label] = photos[label] | seen if photos[label] else seen
            if barred:
                forbidden[label] |= frozenset(labels[list(barred)].tolist())
        return Groups(
            sums=_add_rows(self.sums, labels, m),
            counts=np.bincount(labels, weights=self.counts, minlength=m).astype(np.int64),
            photos=tuple(photos),
            forbidden=tuple(forbidden),
        )

    def take(self, chosen: NDArray[np.int64]) -> Groups:
        """Some of the groups, numbered in the given order; what bars them from others is lost."""
        number = {group: k for k, group in enumerate(chosen.tolist())}
        return Groups(
            sums=self.sums[chosen],
            counts=self.counts[chosen],
            photos=tuple(self.photos[group] for group in number),
            forbidden=tuple(
                frozenset(number[other] for other in self.forbidden[group] if other in number)
                if self.forbidden[group]
                else _NONE
                for group in number
            ),
        )

    def directions(self) -> NDArray[np.float32]:
        """(m, d) L2-normalised centroids; zero where the vectors of a group cancel out."""
        norms = np.sqrt(np.einsum("ij,ij->i", self.sums, self.sums))[:, None]
        if np.allclose(norms, 1.0, rtol=0.0, atol=1e-6):
            return self.sums  # single faces, of which there may be too many to copy
        return np.asarray(self.sums / np.maximum(norms, np.finfo(np.float32).tiny))


_NONE: frozenset[int] = frozenset()
ALIKE = 0.6
"""A mean within a group counts up to here: above, its faces are shots of one moment, and say
nothing of how alike the person's faces of other moments are."""
EVIDENCE = 3.0
"""Pairs of faces at which the mean within a group counts as much as the threshold: a few shots of
one moment are no measure of how alike a person's faces are."""


def _add_rows(rows: NDArray[np.float32], labels: NDArray[np.int64], m: int) -> NDArray[np.float32]:
    """(m, d) sums of the rows of equal label."""
    n = len(rows)
    adder = csr_array((np.ones(n, np.float32), (labels, np.arange(n))), shape=(m, n))
    return np.asarray(adder @ rows, dtype=np.float32)


def likeness(
    sums: NDArray[np.float32], counts: NDArray[np.number], threshold: float
) -> NDArray[np.float64]:
    """(m,) how alike the faces inside each group are: their mean cosine, up to ``ALIKE``.

    The mean of few pairs is drawn to the threshold; that of a single face is the threshold.
    """
    pairs = counts * (counts - 1)
    inside = np.einsum("ij,ij->i", sums, sums) - counts  # each pair twice, as in ``pairs``
    mean = (inside + 2 * EVIDENCE * threshold) / (pairs + 2 * EVIDENCE)
    return np.asarray(np.minimum(mean, max(ALIKE, threshold)), np.float64)


def agglomerate(
    groups: Groups,
    pairs: SimilarPairs,
    threshold: float,
    *,
    small_margin: float = 0.0,
    cohesion: float = 0.0,
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
        cohesion: share, in [0, 1], of the looser group's own mean cosine that the mean between two
            groups must reach as well, see `likeness`: people whose faces are all much alike are not
            joined at the similarity that would join others.
        satellite: (m,) groups that may join another but never found one together.

    Returns:
        (m,) labels, contiguous from 0 in order of each result's first group.
    """
    m = len(groups)
    founder = np.ones(m, dtype=np.bool_) if satellite is None else ~satellite
    root = np.arange(m)
    # What no chain of edges connects is never joined, so that each part is a problem of its own.
    for members, first, second in _parts(m, pairs):
        part = _Part(groups.take(members), founder[members], threshold, small_margin, cohesion)
        root[members] = members[part.join(first, second)]
    return np.unique(root, return_inverse=True)[1].astype(np.int64)


def _parts(m: int, pairs: SimilarPairs) -> Iterator[tuple[NDArray[np.int64], list[int], list[int]]]:
    """Connected parts of two vertices or more: members by number, and edges between their
    positions, the lower one first."""
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs.first, pairs.second)), shape=(m, m))
    count, part = connected_components(graph, directed=False)
    order = np.argsort(part, kind="stable")
    start = np.searchsorted(part[order], np.arange(count + 1))
    position = np.empty(m, dtype=np.int64)
    position[order] = np.arange(m) - start[part[order]]
    of_pair = part[pairs.first]
    by_part = np.argsort(of_pair, kind="stable")
    first, second = position[pairs.first[by_part]], position[pairs.second[by_part]]
    edge_start = np.searchsorted(of_pair[by_part], np.arange(count + 1))
    for k in np.flatnonzero(np.diff(start) > 1).tolist():
        edges = slice(edge_start[k], edge_start[k + 1])
        yield order[start[k] : start[k + 1]], first[edges].tolist(), second[edges].tolist()


class _Part:
    """Agglomeration of groups that are its own to change."""

    def __init__(
        self,
        groups: Groups,
        founder: NDArray[np.bool_],
        threshold: float,
        small_margin: float,
        cohesion: float,
    ) -> None:
        self._threshold, self._small_margin = threshold, small_margin
        self._cohesion = cohesion
        self._sums = groups.sums  # added to in place: the part has its own
        self._counts = groups.counts.astype(np.float64)
        self._photos = [set(photos) for photos in groups.photos]
        self._forbidden = [set(others) for others in groups.forbidden]
        self._founder = founder.tolist()
        self._version = [0] * len(groups)
        self._near: list[set[int]] = [set() for _ in range(len(groups))]
        self._heap: list[tuple[float, int, int, int, int]] = []

    def join(self, first: list[int], second: list[int]) -> NDArray[np.int64]:
        """(m,) the first group that each is joined with, along edges."""
        m = len(self._counts)
        parent = np.arange(m)
        starts: list[list[int]] = [[] for _ in range(m)]
        for a, b in zip(first, second, strict=True):
            starts[b].append(a)
        for b, candidates in enumerate(starts):
            if candidates:
                self._meet(b, candidates)
        for a in range(m):
            self._queue_closest(a)
        # Each group has its closest other in the queue. An entry whose other end has changed is
        # an upper bound by reducibility, and looked up again when its turn comes.
        version = self._version
        while self._heap:
            _, a, b, version_a, version_b = heapq.heappop(self._heap)
            if version[a] != version_a:
                continue
            if version[b] != version_b:
                self._queue_closest(a)
                continue
            a, b = min(a, b), max(a, b)
            parent[b] = a
            self._merge(a, b)
        while not np.array_equal(parent, parent[parent]):
            parent = parent[parent]
        return parent

    def _merge(self, a: int, b: int) -> None:
        near, forbidden = self._near, self._forbidden
        self._sums[a] += self._sums[b]
        self._counts[a] += self._counts[b]
        self._photos[a] |= self._photos[b]
        self._founder[a] = True
        self._version[a] += 1
        self._version[b] = -1  # never matches again
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
            self._meet(a, candidates)
            self._queue_closest(a)

    def _means_with(self, a: int, others: list[int]) -> NDArray[np.float64]:
        counts = self._counts
        return np.asarray(self._sums[others] @ self._sums[a] / (counts[others] * counts[a]))

    def _meet(self, a: int, candidates: list[int]) -> None:
        """Keep the candidates near ``a`` that are close and compatible."""
        near, photos, founder = self._near, self._photos, self._founder
        for b, mean in zip(candidates, self._means_with(a, candidates).tolist(), strict=True):
            barred = b in self._forbidden[a] or not photos[a].isdisjoint(photos[b])
            if mean < self._threshold or barred or not (founder[a] or founder[b]):
                near[b].discard(a)
            else:
                near[a].add(b)
                near[b].add(a)

    def _queue_closest(self, a: int) -> None:
        """Queue the closest group that ``a`` may be joined with now."""
        if not self._near[a]:
            return
        others = sorted(self._near[a])
        means = self._means_with(a, others)
        size = 1 / self._counts[others] + 1 / self._counts[a]
        needed = self._threshold + self._small_margin * size / 2
        if self._cohesion:
            both = likeness(self._sums[[a, *others]], self._counts[[a, *others]], self._threshold)
            needed = np.maximum(needed, self._cohesion * np.minimum(both[1:], both[0]))
        means[means < needed] = -np.inf
        best = int(np.argmax(means))
        if means[best] > -np.inf:
            b, version = others[best], self._version
            heapq.heappush(self._heap, (-float(means[best]), a, b, version[a], version[b]))
