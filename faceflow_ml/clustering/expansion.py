"""Vectors that know their neighbours: query expansion before clustering."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.neighbors import similar_pairs

NEIGHBORS = 4
POWER = 3.0


def expand(
    vectors: NDArray[np.float32], photos: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """Weighted query expansion (alpha-QE: Radenovic, Tolias, Chum 2019), beside the vector itself.

    Each vector is followed by the mean of itself and its nearest neighbours, weighted by the cube
    of similarity, so that the cosine of two expanded vectors is the mean of their own cosine and
    that of their neighbourhoods. Faces of one photo are no neighbours.

    Args:
        vectors: (n, d) float32, L2-normalised.
        photos: (n,) photo of each face; None: all different.

    Returns:
        (n, 2 d) float32, L2-normalised.
    """
    n = len(vectors)
    pairs = similar_pairs(vectors, 2 * NEIGHBORS).above(0.0)
    first = np.concatenate([pairs.first, pairs.second])
    second = np.concatenate([pairs.second, pairs.first])
    similarity = np.tile(pairs.similarity, 2)
    if photos is not None:
        apart = photos[first] != photos[second]
        first, second, similarity = first[apart], second[apart], similarity[apart]
    order = np.lexsort((-similarity, first))
    first, second, similarity = first[order], second[order], similarity[order]
    start = np.searchsorted(first, np.arange(n))
    kept = np.arange(len(first)) - start[first] < NEIGHBORS
    expanded = vectors.copy()
    weights = (similarity[kept] ** POWER)[:, None]
    np.add.at(expanded, first[kept], weights * vectors[second[kept]])
    expanded /= np.linalg.norm(expanded, axis=1, keepdims=True)
    return np.asarray(np.hstack([vectors, expanded]) / np.sqrt(2.0), dtype=np.float32)
