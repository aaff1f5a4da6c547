"""HDBSCAN* (Campello, Moulavi, Sander 2013) on a sparse neighbour graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from faceflow_ml.clustering.neighbors import SimilarPairs

NEAREST = 1e-6  # sparse graphs drop edges of length zero, which copies of one face would have


def density_clusters(n: int, pairs: SimilarPairs) -> NDArray[np.int64]:
    """HDBSCAN labels of ``n`` vectors from the cosine similarities of near pairs.

    Clusters have at least two vectors, core distances look at one neighbour (most people in an
    album have few faces), and the leaves of the tree are taken: the densest clusters, pure, and
    joined later where they are fragments of one person.

    With one neighbour as core distance, mutual reachability is the distance itself, and leaves
    need no stabilities: they are read off the minimum spanning tree in one pass from its shortest
    edge to its longest. That is what the package ``hdbscan`` computes (the tests compare), in
    time and memory linear in the pairs where it takes the square of the clusters.

    Returns:
        (n,) labels, -1 for noise. Vectors that no chain of pairs connects share no cluster.
        Leaving out pairs below a similarity changes nothing about pairs of vectors above it.
    """
    if len(pairs) == 0:
        return np.full(n, -1, dtype=np.int64)
    distance = np.sqrt(np.maximum(2.0 - 2.0 * pairs.similarity.astype(np.float64), 0.0))
    graph = csr_array((np.maximum(distance, NEAREST), (pairs.first, pairs.second)), shape=(n, n))
    tree = coo_array(minimum_spanning_tree(graph))
    order = np.argsort(tree.data, kind="stable")
    return _leaves(n, tree.row[order].tolist(), tree.col[order].tolist())


def _leaves(n: int, first: list[int], second: list[int]) -> NDArray[np.int64]:
    """(n,) leaf cluster of each vertex of a forest whose edges are given by rising length.

    Two vertices found a cluster. A vertex joins the cluster that an edge connects it with, unless
    that has split already: it is then noise. An edge between two clusters is where the cluster of
    both splits, so that it holds leaves and is none.
    """
    parent = list(range(n))
    # Of the cluster that each root stands for: its leaf, or -1 once it has split.
    leaf: dict[int, int] = {}
    label = np.full(n, -1, dtype=np.int64)
    leaves = 0

    def root(vertex: int) -> int:
        while parent[vertex] != vertex:
            parent[vertex] = parent[parent[vertex]]
            vertex = parent[vertex]
        return vertex

    for a, b in zip(first, second, strict=True):
        big, small = root(a), root(b)
        if big not in leaf:
            big, small = small, big
        if big not in leaf:
            leaf[big] = leaves
            label[big] = label[small] = leaves
            leaves += 1
        elif small in leaf:
            leaf[big] = -1
        else:
            label[small] = leaf[big]
        parent[small] = big
    return label
