"""Group ids that survive re-clustering."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ID = re.compile(r"p(\d{3,})")


@dataclass(frozen=True)
class StableIds:
    """The ids of a re-clustering.

    Keep ``next_number`` with the ids: it is what stops the id of a vanished group from being
    given to another.
    """

    ids: tuple[str, ...]
    """The id of each label, 0..k-1."""
    next_number: int
    """The number of the next new id."""


def format_id(number: int) -> str:
    """The id of a number from 1.

    >>> format_id(7), format_id(1234)
    ('p007', 'p1234')
    """
    return f"p{number:03d}"


def next_free_number(ids: Iterable[str]) -> int:
    """One more than the largest number among ids of this form; others are passed over.

    >>> next_free_number(["p002", "p010", "grandma"]), next_free_number([])
    (11, 1)
    """
    numbers = (int(found[1]) for found in map(_ID.fullmatch, ids) if found)
    return max(numbers, default=0) + 1


def match_groups(
    old: Mapping[str, str | None],
    face_ids: Sequence[str],
    labels: NDArray[np.int64],
    *,
    next_number: int = 1,
) -> StableIds:
    """Give new groups the ids of the old ones they overlap most.

    Old and new groups are matched one to one so that the most faces keep their group's id
    (Hungarian method); a new group without an old one gets a new id, in order of its label.

    Args:
        old: face id to group id before, None for a face in no group. Faces that are gone or
            new do not matter.
        face_ids: the n faces clustered now.
        labels: (n,) their groups, 0..k-1 and -1 for none.
        next_number: `StableIds.next_number` of the run before. Ids start from here, or after
            the largest in ``old`` if that is more.

    Raises:
        ValueError: lengths differ, a face comes twice, or labels are not as said.

    >>> match_groups({"a": "p001", "b": "p001", "c": "p002"}, ["a", "b", "c", "d"],
    ...              np.array([1, 1, 0, 2]))
    StableIds(ids=('p002', 'p001', 'p003'), next_number=4)
    """
    if len(labels) != len(face_ids) or len(set(face_ids)) != len(face_ids):
        raise ValueError("face_ids must be unique and as many as labels")
    found = np.unique(labels[labels >= 0]) if len(labels) else labels
    k = len(found)
    if k and (int(found[-1]) != k - 1 or int(labels.min()) < -1):
        raise ValueError("labels must be contiguous from 0, with -1 for no group")

    names = sorted({name for name in old.values() if name is not None})
    column = {name: k for k, name in enumerate(names)}
    overlap: Counter[tuple[int, int]] = Counter()
    for face, label in zip(face_ids, labels.tolist(), strict=True):
        name = old.get(face)
        if label >= 0 and name is not None:
            overlap[label, column[name]] += 1

    ids: list[str | None] = [None] * k
    for label, old_group in _maximal_overlap(overlap, k, len(names)):
        ids[label] = names[old_group]
    number = max(next_number, next_free_number(names))
    complete = []
    for name in ids:
        if name is None:
            name = format_id(number)
            number += 1
        complete.append(name)
    return StableIds(tuple(complete), number)


def _maximal_overlap(
    overlap: Mapping[tuple[int, int], int], rows: int, columns: int
) -> list[tuple[int, int]]:
    """The one-to-one pairs of row and column, all with some overlap, of greatest total overlap."""
    if not overlap:
        return []
    # Only a second run has an overlap; the first need not wait for these to load.
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    cells = np.array([(r, c, count) for (r, c), count in sorted(overlap.items())])
    # Most groups overlap with one or two others: solving each connected part by itself keeps
    # the cubic cost of the assignment small.
    size = rows + columns
    graph = coo_array((cells[:, 2], (cells[:, 0], rows + cells[:, 1])), shape=(size, size))
    part = connected_components(graph, directed=False)[1][cells[:, 0]]
    order = np.argsort(part, kind="stable")
    matched = []
    for block in np.split(cells[order], np.flatnonzero(np.diff(part[order])) + 1):
        r, row_of = np.unique(block[:, 0], return_inverse=True)
        c, column_of = np.unique(block[:, 1], return_inverse=True)
        table = np.zeros((len(r), len(c)))
        table[row_of, column_of] = block[:, 2]
        for i, j in zip(*linear_sum_assignment(table, maximize=True), strict=True):
            if table[i, j] > 0:
                matched.append((int(r[i]), int(c[j])))
    return matched
