"""How sure it is that a face is the person it is grouped with, and that two groups are one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from api.domain.state import Floats
from faceflow_ml.clustering.confidence import ConfidenceModel, member_confidence, probability
from faceflow_ml.clustering.incremental import GroupState

_SCALE = 0.06
"""Cosine over which the odds of two groups change by a factor e."""


def default_model(threshold: float) -> ConfidenceModel:
    """For an embedder without a calibration of its own: even odds at its threshold."""
    slope = 1.0 / _SCALE
    return ConfidenceModel(-threshold * slope, slope, 0, 0, -threshold * slope, slope, 0, 0, 0)


def face_confidence(
    vectors: Floats, groups: Sequence[str | None], model: ConfidenceModel
) -> Floats:
    """Probability in [0, 1] of each face to be of its group; 0 for a face of none.

    Args:
        vectors: (n, d), L2-normalised.
        groups: n group names; None for none.
        model: of the embedder that made the vectors.
    """
    codes: dict[str, int] = {}
    labels = [-1 if group is None else codes.setdefault(group, len(codes)) for group in groups]
    sure = member_confidence(vectors, np.array(labels, dtype=np.int64), model)
    return np.asarray(sure, dtype=np.float32)


def joined_confidence(
    vectors: Floats, groups: Sequence[str | None], state: GroupState, model: ConfidenceModel
) -> Floats:
    """What `face_confidence` says of some faces, from the sums of all.

    Args:
        vectors: (n, d), L2-normalised.
        groups: n ids of groups of ``state``; None for none.
        state: the groups with these faces in them.
        model: of the embedder that made the vectors.
    """
    row = {name: k for k, name in enumerate(state.ids.tolist())}
    sure = np.zeros(len(groups), dtype=np.float32)
    member = [k for k, name in enumerate(groups) if name is not None]
    if not member:
        return sure
    own = np.array([row[name] for name in groups if name is not None], dtype=np.int64)
    each = np.arange(len(member))
    size = state.counts[own].astype(np.float64)
    similarity = (vectors[member] @ (state.sums / state.counts[:, None]).T).astype(np.float64)
    within = (similarity[each, own] * size - 1.0) / np.maximum(size - 1.0, 1.0)
    similarity[each, own] = 0.0
    margin = within - similarity.max(axis=1).clip(min=0.0)
    features = np.column_stack([np.ones(len(member)), within, margin, np.log(size)])
    found = probability(features, model.member_weights())
    sure[member] = np.where(size == 1.0, 1.0, found)
    return sure


def same_person(similarity: Floats, threshold: float) -> Floats:
    """Probability that two groups of this mean cosine are one person, any shape."""
    return np.asarray(1.0 / (1.0 + np.exp(-(similarity - threshold) / _SCALE)), dtype=np.float32)
