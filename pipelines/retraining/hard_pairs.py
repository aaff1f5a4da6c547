"""Which pairs of faces the embedder gets wrong, or nearly: the ones worth learning from first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.batch import THRESHOLD
from faceflow_ml.data.records import ImageArray
from faceflow_ml.inference.embedder import FaceEmbedder
from pipelines.retraining.exchange import Corrections
from pipelines.retraining.signals import Signals

_BATCH = 64
_EACH = 64
"""Pairs of one statement, or of one identity, at most: a large album must not drown the others."""


@dataclass(frozen=True)
class Pair:
    """Two faces, by their rows in the export, and whether they are one person.

    hardness: how far the cosine is on the wrong side of the threshold; negative on the right one.
    why: the kind of decision that parted them, or "identity".
    """

    a: int
    b: int
    same: bool
    cosine: float
    hardness: float
    why: str


def threshold_of(embedder: FaceEmbedder) -> float:
    """The cosine at which two faces are as likely as not one person."""
    return THRESHOLD if embedder.match_threshold is None else embedder.match_threshold


def embed_corrections(corrections: Corrections, embedder: FaceEmbedder) -> NDArray[np.float32]:
    """(n, 512) vectors of one embedder: those of the export that are its own, the others anew.

    Vectors of different contracts are never compared.

    Raises:
        FaceFlowError: a picture is missing.
    """
    vectors = corrections.vectors.copy()
    own = np.array([face.contract == embedder.contract_id for face in corrections.faces], bool)
    stale = np.flatnonzero(~(own & vectors.any(axis=1)))
    embed_rows(stale, corrections.crop, embedder, vectors)
    return vectors


def embed_rows(
    rows: NDArray[np.intp],
    crop: Callable[[int], ImageArray],
    embedder: FaceEmbedder,
    vectors: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Fill ``vectors[rows]`` from the rows' crops; returns the lengths before normalisation."""
    norms = np.zeros(len(rows), np.float32)
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        crops = np.stack([crop(int(row)) for row in part])
        vectors[part], norms[start : start + _BATCH] = embedder.embed_with_norms(crops)
    return norms


def hard_pairs(signals: Signals, vectors: NDArray[np.float32], threshold: float) -> list[Pair]:
    """Pairs of one person and of two, the hardest first.

    Of two people: those whom somebody told apart. Of one: the faces of an identity that are least
    alike. Disputed faces are in none.

    Args:
        vectors: (n, 512) of the export's faces, all of one contract.
        threshold: cosine, see `threshold_of`.
    """
    disputed = {row for conflict in signals.conflicts for row in conflict.faces}
    found: dict[tuple[int, int], Pair] = {}
    for part in signals.apart:
        first = np.array([row for row in part.first if row not in disputed], np.intp)
        second = np.array([row for row in part.second if row not in disputed], np.intp)
        cosines = vectors[first] @ vectors[second].T
        for flat in np.argsort(-cosines, axis=None, kind="stable")[:_EACH]:
            i, j = divmod(int(flat), len(second))
            pair = int(first[i]), int(second[j])
            _keep(found, pair, False, float(cosines[i, j]), threshold, part.kind)
    for rows in signals.members().values():
        members = np.array(rows, np.intp)
        left, right = np.triu_indices(len(members), 1)
        cosines = np.einsum("nd,nd->n", vectors[members[left]], vectors[members[right]])
        for k in np.argsort(cosines, kind="stable")[:_EACH]:
            pair = rows[left[k]], rows[right[k]]
            _keep(found, pair, True, float(cosines[k]), threshold, "identity")
    return sorted(found.values(), key=lambda pair: (-pair.hardness, pair.a, pair.b))


def _keep(
    found: dict[tuple[int, int], Pair],
    pair: tuple[int, int],
    same: bool,
    cosine: float,
    threshold: float,
    why: str,
) -> None:
    low, high = sorted(pair)
    hardness = threshold - cosine if same else cosine - threshold
    found.setdefault((low, high), Pair(low, high, same, cosine, hardness, why))
