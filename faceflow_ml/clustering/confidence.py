"""How sure a grouping is: probabilities for groups and for the faces in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.batch import checked_vectors

FloatArray = NDArray[np.float64]
_ROWS = 1024  # faces compared with all groups at a time


@dataclass(frozen=True)
class ConfidenceModel:
    """Weights of two logistic regressions, calibrated with the embedder: see `Evidence`.

    Attributes are keys of the calibration in the manifest.
    """

    member_bias: float
    member_within: float
    member_margin: float
    member_size: float
    group_bias: float
    group_within: float
    group_least: float
    group_margin: float
    group_size: float

    @classmethod
    def of_calibration(cls, calibration: Mapping[str, float]) -> ConfidenceModel | None:
        """The model in a manifest's numbers; None where it was written without one."""
        names = [field.name for field in fields(cls)]
        if not all(name in calibration for name in names):
            return None
        return cls(**{name: calibration[name] for name in names})

    def member_weights(self) -> FloatArray:
        """(4,) in the order of `Evidence.members`."""
        return np.array(
            [self.member_bias, self.member_within, self.member_margin, self.member_size]
        )

    def group_weights(self) -> FloatArray:
        """(5,) in the order of `Evidence.groups`."""
        return np.array(
            [
                self.group_bias,
                self.group_within,
                self.group_least,
                self.group_margin,
                self.group_size,
            ]
        )


@dataclass(frozen=True)
class Evidence:
    """What speaks for a grouping; k groups, and f faces in them."""

    faces: NDArray[np.int64]
    """(f,) positions of the faces that are in a group."""
    members: FloatArray
    """(f, 4) for each: 1, its mean cosine with the rest of the group, that less its mean cosine
    with the closest other group (0 if less, or if there is none), and the logarithm of size."""
    groups: FloatArray
    """(k, 5) for each: 1, mean and least of its members' mean cosines, their least margin, and the
    logarithm of size."""


def group_confidence(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], model: ConfidenceModel
) -> NDArray[np.float64]:
    """Probability that each group holds one person only.

    Args:
        vectors: (n, d) float, L2-normalised.
        labels: (n,) groups 0..k-1, each with a face at least; -1: in no group. A group of one face
            has confidence 1.
        model: of the embedder that made the vectors.

    Returns:
        (k,) in [0, 1].

    Raises:
        ValueError: wrong shapes or values.
    """
    evidence = gather_evidence(vectors, labels)
    sure = probability(evidence.groups, model.group_weights())
    sure[evidence.groups[:, -1] == 0.0] = 1.0
    return sure


def member_confidence(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], model: ConfidenceModel
) -> NDArray[np.float64]:
    """Probability that each face is the person whom most faces of its group are.

    Arguments as for `group_confidence`.

    Returns:
        (n,) in [0, 1]; 0 for a face in no group, 1 for the only face of one.
    """
    evidence = gather_evidence(vectors, labels)
    sure = probability(evidence.members, model.member_weights())
    sure[evidence.members[:, -1] == 0.0] = 1.0
    result = np.zeros(len(labels))
    result[evidence.faces] = sure
    return result


def probability(features: FloatArray, weights: FloatArray) -> FloatArray:
    """The logistic function of the weighted features, (m,) in [0, 1].

    >>> probability(np.array([[1.0, 0.0]]), np.array([0.0, 2.0])).tolist()
    [0.5]
    """
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(features @ weights, -60.0, 60.0))))


def gather_evidence(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Evidence:
    """The features of `ConfidenceModel`; arguments and errors as for `group_confidence`."""
    faces = checked_vectors(vectors)
    groups = np.asarray(labels)
    if groups.shape != (len(faces),) or groups.dtype.kind not in "iu":
        raise ValueError(
            f"expected a group for each of {len(faces)} faces, integers,"
            f" got {groups.shape} {groups.dtype}"
        )
    member = np.flatnonzero(groups >= 0)
    own = groups[member].astype(np.int64)
    sizes = np.bincount(own)
    if (groups < -1).any() or (sizes == 0).any():
        raise ValueError("labels must be contiguous from 0, with -1 for no group")
    if len(member) == 0:
        return Evidence(member, np.empty((0, 4)), np.empty((0, 5)))
    chosen = faces[member]
    sums = np.zeros((len(sizes), faces.shape[1]), dtype=np.float32)
    np.add.at(sums, own, chosen)
    size = sizes[own].astype(np.float64)
    total = np.einsum("ij,ij->i", chosen, sums[own]).astype(np.float64)
    within = (total - 1.0) / np.maximum(size - 1.0, 1.0)
    margin = within - np.maximum(_closest_other(chosen, own, sums, sizes), 0.0)
    members = np.column_stack([np.ones(len(own)), within, margin, np.log(size)])

    mean = np.bincount(own, weights=within) / sizes
    least, nearest = np.full((2, len(sizes)), np.inf)
    np.minimum.at(least, own, within)
    np.minimum.at(nearest, own, margin)
    log_size = np.log(sizes.astype(np.float64))
    return Evidence(
        member, members, np.column_stack([np.ones(len(sizes)), mean, least, nearest, log_size])
    )


def _closest_other(
    chosen: NDArray[np.float32],
    own: NDArray[np.int64],
    sums: NDArray[np.float32],
    sizes: NDArray[np.int64],
) -> FloatArray:
    """(f,) greatest mean cosine of each face with a group that is not its own; 0 for none."""
    if len(sizes) < 2:
        return np.zeros(len(own))
    means = np.asarray(sums / sizes[:, None], dtype=np.float32)
    closest = np.empty(len(own))
    for start in range(0, len(own), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(own)))
        cosine = chosen[rows] @ means.T
        cosine[rows - start, own[rows]] = -np.inf
        closest[rows] = cosine.max(axis=1)
    return closest
