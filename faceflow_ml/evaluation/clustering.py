"""How well a grouping matches the truth: BCubed, pairwise F, purity, V-measure, user edits.

Every function takes two (n,) integer arrays, predicted group and true identity of each face.
A label of -1, in either, means "in no group": such a face counts as a group of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision, recall and their harmonic mean, each in [0, 1]."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean; 0 when both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class UserEdits:
    """What a person has to do to make a grouping right, see `user_edits`."""

    joins: int
    splits: int
    names: int

    @property
    def corrections(self) -> int:
        """Joins and splits: 0 exactly when the grouping is right."""
        return self.joins + self.splits

    @property
    def total(self) -> int:
        """Corrections, and naming every person."""
        return self.corrections + self.names


@dataclass(frozen=True)
class ClusteringScores:
    """All measures of one grouping."""

    faces: int
    identities: int
    groups: int
    """Groups of at least two faces."""
    unassigned: int
    """Faces in no group."""
    bcubed: PrecisionRecall
    pairwise: PrecisionRecall
    purity: float
    v_measure: float
    edits: UserEdits


def evaluate_clustering(labels: ArrayLike, truth: ArrayLike) -> ClusteringScores:
    """All measures at once.

    >>> scores = evaluate_clustering([0, 0, 1, -1], [7, 7, 8, 8])
    >>> scores.groups, scores.unassigned, scores.bcubed.precision, scores.edits.corrections
    (1, 1, 1.0, 1)
    """
    predicted = np.asarray(labels)
    table = _contingency(labels, truth)
    sizes = np.asarray(table.sum(axis=1))
    return ClusteringScores(
        faces=len(predicted),
        identities=table.shape[1],
        groups=int((sizes >= 2).sum()),
        unassigned=int((predicted < 0).sum()),
        bcubed=bcubed(labels, truth),
        pairwise=pairwise(labels, truth),
        purity=purity(labels, truth),
        v_measure=v_measure(labels, truth),
        edits=user_edits(labels, truth),
    )


def bcubed(labels: ArrayLike, truth: ArrayLike) -> PrecisionRecall:
    """BCubed (Bagga and Baldwin 1998): mean over faces of the share of the face's group that is
    the same person, and of the share of that person that is in the group.

    >>> bcubed([0, 0, 0, 0], [5, 5, 6, 6])
    PrecisionRecall(precision=0.5, recall=1.0)
    """
    table = _contingency(labels, truth)
    faces = table.sum()
    if not faces:
        return PrecisionRecall(1.0, 1.0)
    squares = table.multiply(table)
    precision = (squares.sum(axis=1) / table.sum(axis=1)).sum() / faces
    recall = (squares.sum(axis=0) / table.sum(axis=0)).sum() / faces
    return PrecisionRecall(float(precision), float(recall))


def pairwise(labels: ArrayLike, truth: ArrayLike) -> PrecisionRecall:
    """Precision and recall over pairs of faces: together in a group, against one person.

    Where there is no such pair, nothing was got wrong, and the measure is 1.

    >>> pairwise([0, 0, 0, 1], [5, 5, 6, 6])
    PrecisionRecall(precision=0.3333333333333333, recall=0.5)
    """
    table = _contingency(labels, truth)
    together = _pairs(table.data)
    grouped, same = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    return PrecisionRecall(together / grouped if grouped else 1.0, together / same if same else 1.0)


def purity(labels: ArrayLike, truth: ArrayLike) -> float:
    """Share of faces that belong to the most frequent person of their group.

    >>> purity([0, 0, 0, 1], [5, 5, 6, 6])
    0.75
    """
    table = _contingency(labels, truth)
    faces = table.sum()
    return float(table.max(axis=1).sum() / faces) if faces else 1.0


def v_measure(labels: ArrayLike, truth: ArrayLike) -> float:
    """V-measure (Rosenberg and Hirschberg 2007): harmonic mean of homogeneity and completeness.

    >>> v_measure([0, 0, 1, 1], [5, 5, 6, 6]), v_measure([0, 0, 0, 0], [5, 5, 6, 6])
    (1.0, 0.0)
    """
    table = _contingency(labels, truth)
    joint = _entropy(table.data)
    of_groups, of_people = _entropy(table.sum(axis=1)), _entropy(table.sum(axis=0))
    shared = of_groups + of_people - joint
    homogeneity = shared / of_people if of_people else 1.0
    completeness = shared / of_groups if of_groups else 1.0
    return PrecisionRecall(max(homogeneity, 0.0), max(completeness, 0.0)).f1


def user_edits(labels: ArrayLike, truth: ArrayLike) -> UserEdits:
    """The fewest operations, each on the faces of one person, that turn a grouping into the truth.

    Call the faces of one person in one predicted group a piece; each face in no group is a
    piece of its own. One operation acts on one piece, whatever its size:

    - join: a piece is added to another piece of the same person, by merging two groups or by
      moving some faces from one group to another. A person in k pieces takes k - 1.
    - split: a piece leaves its group and becomes a new one. Each group stays the home of at
      most one of the people in it; everyone who is in some group but can stay in none, as
      others have them, takes one. The fewest follow from a maximum matching of people to
      groups.
    - name: one for each person with at least two faces, whatever the grouping.

    >>> user_edits([0, 0, 0, 1, -1], [5, 5, 6, 6, 6])
    UserEdits(joins=2, splits=0, names=2)
    >>> user_edits([0, 0, 0], [5, 5, 6])
    UserEdits(joins=0, splits=1, names=1)
    """
    table = _contingency(labels, truth)
    if not table.nnz:
        return UserEdits(0, 0, 0)
    homes = maximum_bipartite_matching(table, perm_type="column")
    people = table.shape[1]
    return UserEdits(
        joins=table.nnz - people,
        splits=people - int((homes >= 0).sum()),
        names=int((table.sum(axis=0) >= 2).sum()),
    )


def _contingency(labels: ArrayLike, truth: ArrayLike) -> csr_array:
    """(groups, identities) sparse counts, int64; ValueError for what are not two label arrays."""
    predicted, actual = np.asarray(labels), np.asarray(truth)
    if predicted.ndim != 1 or predicted.shape != actual.shape:
        raise ValueError(
            f"expected two (n,) label arrays, got shapes {predicted.shape} and {actual.shape}"
        )
    if len(predicted) == 0:
        return csr_array((0, 0), dtype=np.int64)
    rows, columns = _singletons(predicted, "labels"), _singletons(actual, "truth")
    table = csr_array((np.ones(len(rows), dtype=np.int64), (rows, columns)))
    table.sum_duplicates()
    return table


def _singletons(labels: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """Labels contiguous from 0, with a label of its own for every -1."""
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got dtype {labels.dtype}")
    if (labels < -1).any():
        raise ValueError(f"{name} must be -1 or more, got {labels.min()}")
    wide = labels.astype(np.int64)
    alone = wide == -1
    wide[alone] = wide.max() + 1 + np.arange(alone.sum())
    return np.asarray(np.unique(wide, return_inverse=True)[1], dtype=np.int64)


def _pairs(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _entropy(sizes: NDArray[np.int64]) -> float:
    """In nats, of the distribution that the sizes are of."""
    if len(sizes) == 0:
        return 0.0
    share = sizes / sizes.sum()
    return float(-(share * np.log(share)).sum())
