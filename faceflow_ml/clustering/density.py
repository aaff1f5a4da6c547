"""HDBSCAN* (Campello, Moulavi, Sander 2013) on a sparse neighbour graph."""

from __future__ import annotations

import numpy as np
from hdbscan import HDBSCAN
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from faceflow_ml.clustering.neighbors import SimilarPairs

FARTHEST = 2.0  # the largest Euclidean distance between unit vectors
NEAREST = 1e-6  # sparse graphs drop edges of length zero, which copies of one face would have


def density_clusters(n: int, pairs: SimilarPairs) -> NDArray[np.int64]:
    """HDBSCAN labels of ``n`` vectors from the cosine similarities of near pairs.

    Clusters have at least two vectors, core distances look at one neighbour (most people in an
    album have few faces), and the leaves of the tree are taken: the densest clusters, pure, and
    joined later where they are fragments of one person.

    The minimum spanning tree is built here, from the pairs alone, and given to ``hdbscan`` as a
    sparse matrix: memory stays linear in the pairs, where the package's own route for 512
    dimensions compares everything with everything.

    Returns:
        (n,) labels, -1 for noise. Vectors that no chain of pairs connects share no cluster.
    """
    if len(pairs) == 0:
        return np.full(n, -1, dtype=np.int64)
    model = HDBSCAN(
        metric="precomputed", min_cluster_size=2, min_samples=1, cluster_selection_method="leaf"
    )
    labels = np.asarray(model.fit(_spanning_tree(n, pairs)).labels_, dtype=np.int64)
    phantom = labels[n]
    return np.where(labels == phantom, -1, labels)[:n]


def _spanning_tree(n: int, pairs: SimilarPairs) -> csr_array:
    """A symmetric minimum spanning tree of Euclidean distance over n points and two phantoms.

    With one neighbour as core distance, mutual reachability is the distance itself.
    """
    distance = np.sqrt(np.maximum(2.0 - 2.0 * pairs.similarity.astype(np.float64), 0.0))
    graph = csr_array((np.maximum(distance, NEAREST), (pairs.first, pairs.second)), shape=(n, n))
    tree = coo_array(minimum_spanning_tree(graph))
    part_count, part = connected_components(tree, directed=False)
    _, bridges = np.unique(part, return_index=True)
    # HDBSCAN never takes the root, all points, as a cluster: an album of one person would be
    # noise. Two phantom points, together and far from all others, make the root hold more
    # than the faces.
    rows = np.concatenate([tree.row, bridges, [n]])
    cols = np.concatenate([tree.col, bridges[1:], [n, n + 1]])
    data = np.concatenate([tree.data, np.full(part_count, FARTHEST), [NEAREST]])
    return csr_array(
        (np.tile(data, 2), (np.concatenate([rows, cols]), np.concatenate([cols, rows]))),
        shape=(n + 2, n + 2),
    )
