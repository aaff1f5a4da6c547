"""HDBSCAN* (Campello, Moulavi, Sander 2013) on a sparse neighbour graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.neighbors import SimilarPairs


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
    # The distance of unit vectors falls as their cosine rises.
    tree = _spanning_forest(n, pairs)
    return _leaves(n, pairs.first[tree].tolist(), pairs.second[tree].tolist())


def _spanning_forest(n: int, pairs: SimilarPairs) -> NDArray[np.int64]:
    """The pairs of a maximum spanning forest, by falling similarity (Boruvka 1926).

    Every tree takes its closest pair with another, all at once, until none has one. SciPy's would
    do, but loading it takes longer than grouping most albums.
    """
    order = np.lexsort((pairs.second, pairs.first, -pairs.similarity))
    rank = np.arange(len(order))
    a, b = pairs.first[order], pairs.second[order]
    taken = np.zeros(len(order), dtype=bool)
    while len(rank):
        closest = np.full(n, len(order))
        np.minimum.at(closest, a, rank)
        np.minimum.at(closest, b, rank)
        trees = np.flatnonzero(closest < len(order))
        pair = np.searchsorted(rank, closest[trees])
        taken[closest[trees]] = True
        parent = np.arange(n)
        parent[trees] = a[pair] + b[pair] - trees
        # Ranks differ, so that only two trees which chose the same pair point at each other.
        both = parent[parent[trees]] == trees
        parent[trees[both]] = np.minimum(trees, parent[trees])[both]
        while not np.array_equal(parent, further := parent[parent]):
            parent = further
        a, b = parent[a], parent[b]
        apart = a != b
        a, b, rank = a[apart], b[apart], rank[apart]
    return order[taken]


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
