"""Joining groups of one person that a stray face keeps apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.linkage import Groups, likeness
from faceflow_ml.clustering.neighbors import SimilarPairs

MAX_CONFLICT_SHARE = 0.15
"""Photos that two groups share, as a share of the smaller group's faces, up to which they are
taken for one person. Two people who look alike are in many photos together; a mirror, a collage
or one wrong face makes a few."""
_SMALLEST = 1 / MAX_CONFLICT_SHARE


def reunite(
    units: Groups,
    labels: NDArray[np.int64],
    pairs: SimilarPairs,
    threshold: float,
    *,
    cohesion: float = 0.0,
) -> NDArray[np.int64]:
    """Join similar groups that few photo conflicts separate, and put out what conflicts.

    Of two faces in one photo the one closer to the joined group stays; the other becomes a
    group of its own. Explicit cannot-links, and conflicts of must-linked faces, keep groups
    apart as ever.

    Args:
        units: m units, see `Constraints`.
        labels: (m,) their groups, contiguous from 0.
        pairs: edges between units.
        threshold: the mean cosine at which two groups are one person.
        cohesion: as for `agglomerate`.

    Returns:
        (m,) labels, contiguous from 0.
    """
    labels = labels.copy()
    while True:
        groups = units.contract(labels)
        # One conflict has to be a small share already.
        edges = pairs.between(np.where(groups.counts[labels] >= _SMALLEST, labels, -1))
        counts = groups.counts
        means = np.einsum("ij,ij->i", groups.sums[edges.first], groups.sums[edges.second]) / (
            counts[edges.first] * counts[edges.second]
        )
        alike = likeness(groups.sums, counts, threshold)
        looser = np.minimum(alike[edges.first], alike[edges.second])
        one_person = means >= np.maximum(threshold, cohesion * looser)
        changed: set[int] = set()
        order = np.lexsort((edges.second, edges.first, -means))
        for edge in order[one_person[order]].tolist():
            a, b = int(edges.first[edge]), int(edges.second[edge])
            shared = groups.photos[a] & groups.photos[b]
            few = 0 < len(shared) <= MAX_CONFLICT_SHARE * min(counts[a], counts[b])
            if not few or b in groups.forbidden[a] or changed & {a, b}:
                continue
            out = _to_put_out(units, labels, a, b, shared)
            if out is None:
                continue
            labels[labels == b] = a
            labels[out] = int(labels.max()) + 1 + np.arange(len(out))
            changed |= {a, b}
        if not changed:
            return labels
        labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _to_put_out(
    units: Groups, labels: NDArray[np.int64], a: int, b: int, shared: frozenset[int]
) -> list[int] | None:
    """For each shared photo, the unit farther from both groups; None if it is must-linked."""
    center = units.sums[(labels == a) | (labels == b)].sum(axis=0)
    claim: dict[int, list[int]] = {photo: [] for photo in sorted(shared)}
    for unit in np.flatnonzero((labels == a) | (labels == b)).tolist():
        for photo in units.photos[unit] & shared:
            claim[photo].append(unit)
    out = []
    for rivals in claim.values():
        farther = min(rivals, key=lambda unit: float(units.sums[unit] @ center))
        if units.counts[farther] > 1:
            return None
        out.append(farther)
    return out
