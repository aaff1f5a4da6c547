"""Which vectors to compare when there are too many to compare all: cells around k-means centres.

An inverted file (Sivic and Zisserman 2003) read by blocks: every vector is in the cell of its
nearest centre, and is compared with those in the cells of its `PROBES` nearest centres. All that
look into a cell are compared with it in one matrix product. With cells of about the same size
whatever the number of vectors, the comparisons grow linearly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIZE = 256
"""Mean vectors in a cell."""
PROBES = 32
_ITERATIONS = 5
_SAMPLES = 32  # training vectors a centre
_SEED = 1
_ROWS = 4096  # vectors compared with a cell at a time


def cells(vectors: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Blocks of vectors to compare: positions of some that look into a cell, and of those in it.

    Args:
        vectors: (n, d) float32, L2-normalised. The same vectors give the same blocks.
    """
    import faiss  # seldom needed, and not quick to load

    n, d = vectors.shape
    count = max(1, n // SIZE)
    means = faiss.Kmeans(
        d,
        count,
        niter=_ITERATIONS,
        spherical=True,
        seed=_SEED,
        min_points_per_centroid=1,
        max_points_per_centroid=_SAMPLES,
    )
    means.train(vectors)
    nearest = means.index.search(vectors, min(PROBES, count))[1]
    inside = np.argsort(nearest[:, 0], kind="stable")
    inside_start = np.searchsorted(nearest[inside, 0], np.arange(count + 1))
    looks = nearest.ravel()
    looking = np.argsort(looks, kind="stable")
    looking_start = np.searchsorted(looks[looking], np.arange(count + 1))
    for cell in range(count):
        columns = inside[inside_start[cell] : inside_start[cell + 1]]
        rows = looking[looking_start[cell] : looking_start[cell + 1]] // nearest.shape[1]
        for start in range(0, len(rows) if len(columns) else 0, _ROWS):
            yield rows[start : start + _ROWS], columns
