"""How sure it is that a face is the person it is grouped with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from api.domain.state import Floats

_SCALE = 0.06
"""Cosine over which the odds change by a factor e."""


def face_confidence(vectors: Floats, groups: Sequence[str | None], threshold: float) -> Floats:
    """Probability in [0, 1] of each face to be of its group.

    Args:
        vectors: (n, d), L2-normalised.
        groups: n group names; None for a face of none, which gets 0.
        threshold: cosine at which two faces are as likely as not one person.
    """
    codes: dict[str, int] = {}
    code = np.array(
        [-1 if group is None else codes.setdefault(group, len(codes)) for group in groups],
        dtype=np.int64,
    )
    member = code >= 0
    sums = np.zeros((len(codes), vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, code[member], vectors[member])
    counts = np.bincount(code[member], minlength=len(codes))
    sure = np.zeros(len(vectors), dtype=np.float32)
    total = np.einsum("ij,ij->i", vectors[member], sums[code[member]])
    others = counts[code[member]] - 1
    mean = np.divide(total - 1.0, others, out=np.full(len(total), threshold), where=others > 0)
    sure[member] = 1.0 / (1.0 + np.exp(-(mean - threshold) / _SCALE))
    return sure


def same_person(similarity: Floats, threshold: float) -> Floats:
    """Probability that two groups of this mean cosine are one person, any shape."""
    return np.asarray(1.0 / (1.0 + np.exp(-(similarity - threshold) / _SCALE)), dtype=np.float32)
