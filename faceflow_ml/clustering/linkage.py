"""Constrained average-linkage agglomeration on a sparse similarity graph."""

from __future__ import annotations

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
ALIKE = 0.65
"""A mean within a group counts up to here: above, its faces are shots of one moment, and say
nothing of how alike the person's faces of other moments are."""
EVIDENCE = 3.0
"""Pairs of faces at which the mean within a group counts as much as the threshold: a few shots of
one moment are no measure of how alike a person's faces are."""
_EDGES = 65_536
"""Edges that are measured at a time."""
_GROUPS = 16_384
"""Groups that are added up at a time."""


def _add_rows(rows: NDArray[np.float32], labels: NDArray[np.int64], m: int) -> NDArray[np.float32]:
    """(m, d) sums of the rows of equal label; every label has one."""
    order = np.argsort(labels, kind="stable")
    start = np.searchsorted(labels[order], np.arange(m))
    sums = np.empty((m, rows.shape[1]), dtype=np.float32)
    for first in range(0, m, _GROUPS):
        last = min(first + _GROUPS, m)
        begin, end = start[first], start[last] if last < m else len(order)
        np.add.reduceat(
            rows[order[begin:end]], start[first:last] - begin, axis=0, out=sums[first:last]
        )
    return sums


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
    """Join similar compatible groups until none reach the threshold (UPGMA).

    In rounds: groups that are each other's most similar are joined, all of them at once. With all
    pairs of similarity >= ``threshold`` given, and neither margin nor cohesion, that is exact
    average linkage: by reducibility (Bruynooghe 1977) a group that two others form is no more
    similar to a third than one of them was, so that the order of such joins does not matter, and a
    mean that reaches the threshold has a term that does.

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
    founder = np.ones(len(groups), dtype=np.bool_) if satellite is None else ~satellite
    joining = _Joining(groups, founder, pairs, threshold, small_margin, cohesion)
    root = np.arange(len(groups))
    while (into := joining.next_round()) is not None:
        root = into[root]
    return np.unique(root, return_inverse=True)[1].astype(np.int64)


class _Joining:
    """Groups, and the edges along which they may join; joined groups go by the first of them."""

    def __init__(
        self,
        groups: Groups,
        founder: NDArray[np.bool_],
        pairs: SimilarPairs,
        threshold: float,
        small_margin: float,
        cohesion: float,
    ) -> None:
        self._threshold, self._small_margin = threshold, small_margin
        self._cohesion = cohesion
        self._sums = groups.sums.copy()
        self._counts = groups.counts.astype(np.float64)
        self._alike = likeness(self._sums, self._counts, threshold)
        self._founder = founder.copy()
        self._photos = {k: set(photos) for k, photos in enumerate(groups.photos) if photos}
        self._forbidden = {k: set(others) for k, others in enumerate(groups.forbidden) if others}
        self._bound = np.zeros(len(groups), dtype=np.bool_)
        self._bound[[*self._photos, *self._forbidden]] = True
        self._first, self._second = pairs.first, pairs.second
        self._mean = pairs.similarity.astype(np.float32)
        grown = self._counts > 1  # between two single faces the mean is their similarity
        self._measure(np.flatnonzero(grown[pairs.first] | grown[pairs.second]))
        self._keep(self._may_join(np.arange(len(pairs))))

    def next_round(self) -> NDArray[np.int64] | None:
        """(m,) the group that each went into; None when no two may join any more."""
        first, second = self._closest()
        if len(first) == 0:
            return None
        self._join(first, second)
        into = np.arange(len(self._counts))
        into[second] = first
        grown = np.zeros(len(into), dtype=np.bool_)
        grown[first] = True
        a, b = into[self._first], into[self._second]
        self._first, self._second = np.minimum(a, b), np.maximum(a, b)
        # Two that joined may have had an edge to a third each.
        kept = self._first != self._second
        rows = np.flatnonzero(kept & (grown[self._first] | grown[self._second]))
        kept[rows] = False
        key = self._first[rows] * len(into) + self._second[rows]
        rows = rows[np.unique(key, return_index=True)[1]]
        self._measure(rows)
        kept[rows] = self._may_join(rows)
        self._keep(kept)
        return into

    def _closest(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The edges between groups that are each other's closest, of those that may join now."""
        first, second, mean, counts = self._first, self._second, self._mean, self._counts
        needed = self._threshold + self._small_margin * (1 / counts[first] + 1 / counts[second]) / 2
        if self._cohesion:
            looser = np.minimum(self._alike[first], self._alike[second])
            needed = np.maximum(needed, self._cohesion * looser)
        near = mean >= needed
        first, second, mean = first[near], second[near], mean[near]
        best = np.full(len(counts), -np.inf, dtype=np.float32)
        np.maximum.at(best, first, mean)
        np.maximum.at(best, second, mean)
        mutual = (mean == best[first]) & (mean == best[second])
        return _disjoint(len(counts), first[mutual], second[mutual])

    def _join(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        self._sums[first] += self._sums[second]
        self._counts[first] += self._counts[second]
        self._alike[first] = likeness(self._sums[first], self._counts[first], self._threshold)
        self._founder[first] = True
        bound = self._bound[second]
        self._bound[first] |= bound
        for a, b in zip(first[bound].tolist(), second[bound].tolist(), strict=True):
            self._photos[a] = _united(self._photos.get(a, set()), self._photos.pop(b, set()))
            barred = self._forbidden.pop(b, set())
            for other in barred:
                self._forbidden[other].discard(b)
                self._forbidden[other].add(a)
            self._forbidden[a] = _united(self._forbidden.get(a, set()), barred)

    def _measure(self, rows: NDArray[np.int64]) -> None:
        """Compute the means of these edges."""
        for start in range(0, len(rows), _EDGES):
            some = rows[start : start + _EDGES]
            a, b = self._first[some], self._second[some]
            dots = np.einsum("ij,ij->i", self._sums[a], self._sums[b])
            self._mean[some] = dots / (self._counts[a] * self._counts[b])

    def _may_join(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the groups of these edges are close enough to be looked at, and compatible."""
        first, second = self._first[rows], self._second[rows]
        may = self._mean[rows] >= self._threshold
        may &= self._founder[first] | self._founder[second]
        bound = np.flatnonzero(may & self._bound[first] & self._bound[second])
        none: set[int] = set()
        may[bound] = [
            b not in self._forbidden.get(a, none)
            and self._photos.get(a, none).isdisjoint(self._photos.get(b, none))
            for a, b in zip(first[bound].tolist(), second[bound].tolist(), strict=True)
        ]
        return may

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self._first, self._second = self._first[kept], self._second[kept]
        self._mean = self._mean[kept]


def _united(one: set[int], other: set[int]) -> set[int]:
    """The union, made in place of the larger set."""
    large, small = (one, other) if len(one) >= len(other) else (other, one)
    large |= small
    return large


def _disjoint(
    m: int, first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of edges between ``m`` groups those that share no end with an earlier one that was taken.

    >>> first, second = _disjoint(5, np.array([0, 1, 2, 3]), np.array([1, 2, 3, 4]))
    >>> first.tolist(), second.tolist()
    ([0, 2], [1, 3])
    """
    taken = [np.empty((2, 0), dtype=np.int64)]
    while len(first):
        number = np.arange(len(first))
        earliest = np.full(m, len(first))
        np.minimum.at(earliest, first, number)
        np.minimum.at(earliest, second, number)
        take = (earliest[first] == number) & (earliest[second] == number)
        taken.append(np.stack([first[take], second[take]]))
        free = np.ones(m, dtype=np.bool_)
        free[taken[-1]] = False
        left = free[first] & free[second]
        first, second = first[left], second[left]
    a, b = np.concatenate(taken, axis=1)
    return a, b
