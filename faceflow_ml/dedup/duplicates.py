"""Finding the duplicates in a pile of photos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from faceflow_ml.dedup.items import DedupItem, DuplicateGroup
from faceflow_ml.dedup.keeper import assign_keepers, preference, rank
from faceflow_ml.dedup.near import candidate_pairs, compare

__all__ = ["DedupItem", "DuplicateGroup", "find_duplicates"]


def find_duplicates(items: Sequence[DedupItem]) -> list[DuplicateGroup]:
    """Groups of photos that show the same, each with the one to keep.

    Exact duplicates have the same bytes. A near-duplicate is dropped only for a keeper that it
    was itself confirmed against, see `keeper.assign_keepers`; copies of a near-duplicate are
    dropped with it. One keeper may head two groups, its exact copies and its near-duplicates.

    Returns:
        Groups sorted by keeper, exact before near; ``drop`` from best to worst.

    Raises:
        ValueError: two items have the same path.
    """
    if len({item.path for item in items}) != len(items):
        raise ValueError("every item must have its own path")
    copies: defaultdict[str, list[DedupItem]] = defaultdict(list)
    for item in rank(items):
        copies[item.sha256].append(item)
    firsts = sorted((same[0] for same in copies.values()), key=preference)

    hashes = np.array([item.phash for item in firsts], dtype=np.uint64)
    near_of = assign_keepers(
        len(firsts),
        candidate_pairs(hashes),
        lambda i, j: compare(firsts[i].thumb, firsts[j].thumb).is_duplicate,
    )
    dropped = {index for found in near_of.values() for index in found}

    groups = []
    for index, keeper in enumerate(firsts):
        if index in dropped:
            continue
        same = copies[keeper.sha256][1:]
        if same:
            groups.append(DuplicateGroup(keeper.path, tuple(c.path for c in same), "exact"))
        if index in near_of:
            drop = rank(copy for other in near_of[index] for copy in copies[firsts[other].sha256])
            groups.append(DuplicateGroup(keeper.path, tuple(d.path for d in drop), "near"))
    return sorted(groups, key=lambda group: (group.keep, group.kind))
