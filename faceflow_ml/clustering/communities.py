"""Communities of a neighbour graph: the other ways to find people that `cluster_faces` offers.

All take ``n`` vectors' similar pairs and a cosine similarity, and return (n,) labels, -1 for a
vector in no community. They know nothing of constraints. None depends on more than the graph, so
that equal input gives equal output.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.neighbors import SimilarPairs

_ROUNDS = 20
_SEED = 1


def dbscan(n: int, pairs: SimilarPairs, threshold: float) -> NDArray[np.int64]:
    """DBSCAN (Ester et al. 1996) with two vectors a neighbourhood.

    People with two faces count, so every vector with a neighbour is a core point, and the clusters
    are the connected components.
    """
    from scipy.sparse import coo_array  # what the default needs not is not loaded for it
    from scipy.sparse.csgraph import connected_components

    near = pairs.above(threshold)
    graph = coo_array((np.ones(len(near)), (near.first, near.second)), shape=(n, n))
    labels = connected_components(graph, directed=False)[1].astype(np.int64)
    return _without_singles(labels)


def chinese_whispers(n: int, pairs: SimilarPairs, threshold: float) -> NDArray[np.int64]:
    """Chinese whispers (Biemann 2006): each vector takes the label most common around it.

    Neighbours weigh by similarity; rounds visit the vectors in a random order of fixed seed.
    """
    from scipy.sparse import csr_array

    near = pairs.above(max(threshold, 0.0))
    rows = np.concatenate([near.first, near.second])
    columns = np.concatenate([near.second, near.first])
    graph = csr_array((np.tile(near.similarity, 2), (rows, columns)), shape=(n, n))
    labels = np.arange(n, dtype=np.int64)
    rng = np.random.default_rng(_SEED)
    for _ in range(_ROUNDS):
        before = labels.copy()
        for node in rng.permutation(n).tolist():
            part = slice(graph.indptr[node], graph.indptr[node + 1])
            if part.start == part.stop:
                continue
            around, place = np.unique(labels[graph.indices[part]], return_inverse=True)
            labels[node] = around[np.argmax(np.bincount(place, weights=graph.data[part]))]
        if np.array_equal(labels, before):
            break
    return _without_singles(labels)


def leiden(n: int, pairs: SimilarPairs, threshold: float) -> NDArray[np.int64]:
    """Leiden (Traag, Waltman, van Eck 2019) on the constant Potts model.

    With the threshold as resolution, it maximises the sum of similarity less threshold over the
    pairs inside communities: correlation clustering, in which pairs that are not given count as
    similarity 0.

    Raises:
        ModuleNotFoundError: leidenalg is not installed.
    """
    igraph, leidenalg = _package("igraph"), _package("leidenalg")
    near = pairs.above(0.0)
    graph = igraph.Graph(n=n, edges=np.column_stack([near.first, near.second]).tolist())
    found = leidenalg.find_partition(
        graph,
        leidenalg.CPMVertexPartition,
        weights=near.similarity.astype(float).tolist(),
        resolution_parameter=max(threshold, 0.0),
        n_iterations=-1,
        seed=_SEED,
    )
    return _without_singles(np.array(found.membership, dtype=np.int64))


def infomap(n: int, pairs: SimilarPairs, threshold: float) -> NDArray[np.int64]:
    """Infomap (Rosvall, Bergstrom 2008), two levels, edges weighted by similarity.

    Raises:
        ModuleNotFoundError: infomap is not installed.
    """
    near = pairs.above(max(threshold, 0.0))
    if len(near) == 0:
        return np.full(n, -1, dtype=np.int64)
    model = _package("infomap").Infomap(two_level=True, silent=True, seed=_SEED, num_trials=3)
    _register_classes()
    for a, b, weight in zip(
        near.first.tolist(), near.second.tolist(), near.similarity.tolist(), strict=True
    ):
        model.add_link(a, b, weight)
    labels = np.arange(n, dtype=np.int64)
    for node in model.run().nodes():
        labels[node.node_id] = n + node.module_id
    return _without_singles(labels)


def _register_classes() -> None:
    """Have Infomap's results come as its own classes.

    FAISS too is made by SWIG, in which classes of one name share a place: after FAISS is loaded,
    vectors that Infomap returns are of FAISS's class, which cannot be iterated and crashes.
    """
    swig = _package("infomap._swig")
    ending = "_swigregister"
    for name in vars(swig._infomap):
        if name.endswith(ending):
            getattr(swig._infomap, name)(getattr(swig, name.removesuffix(ending)))


def _without_singles(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    _, place, count = np.unique(labels, return_inverse=True, return_counts=True)
    return np.where(count[place] > 1, place, -1).astype(np.int64)


def _package(name: str) -> ModuleType:
    """An optional package, with a message that says how to get it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{name} is not installed: pip install 'faceflow-ml[graph]'", name=name
        ) from error
