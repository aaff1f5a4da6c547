"""Distances between two samples, as pure functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 10
_FLOOR = 1e-4
"""In place of an empty bin's share: the index would be infinite."""


def bin_edges(reference: NDArray[np.floating], bins: int = BINS) -> Floats:
    """Inner edges of bins that hold equal shares of ``reference`` (n,); fewer if values repeat."""
    quantiles = np.quantile(reference.astype(np.float64), np.linspace(0, 1, bins + 1)[1:-1])
    return np.unique(quantiles)


def shares(values: NDArray[np.floating], edges: Floats) -> Floats:
    """Share of ``values`` (n,) in each of ``len(edges) + 1`` bins."""
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return np.asarray(counts / max(1, len(values)), np.float64)


def population_stability_index(expected: Floats, actual: Floats) -> float:
    """PSI of two distributions over the same bins, >= 0: the symmetric relative entropy.

    Rules of thumb call more than 0.1 a shift and more than 0.25 a large one.

    >>> population_stability_index(np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    0.0
    """
    e, a = np.maximum(expected, _FLOOR), np.maximum(actual, _FLOOR)
    return float(np.sum((a - e) * np.log(a / e)))


def kolmogorov_smirnov(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Largest difference of the two empirical distribution functions, in [0, 1].

    >>> kolmogorov_smirnov(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    1.0
    """
    a, b = np.sort(first), np.sort(second)
    both = np.concatenate([a, b])
    of_a = np.searchsorted(a, both, side="right") / len(a)
    of_b = np.searchsorted(b, both, side="right") / len(b)
    return float(np.abs(of_a - of_b).max())


def gaussian_kernel(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    """(n, m) of unit vectors, exp(-|x - y|^2 / 2 h^2) with h^2 = 1: at half the squared distance
    of unrelated unit vectors, whatever the data, so that kernels of two times compare."""
    cosines = np.clip(first.astype(np.float64) @ second.astype(np.float64).T, -1.0, 1.0)
    return np.asarray(np.exp(-(2 - 2 * cosines) / 2), np.float64)


def squared_mmd(kernel: Floats, first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    """Squared maximum mean discrepancy of two samples, the biased estimate, >= 0.

    Gretton et al., "A Kernel Two-Sample Test", JMLR 2012.

    Args:
        kernel: (n, n) of all points.
        first, second: rows of the points of each sample; a row may come more than once.
    """
    weights = np.bincount(first, minlength=len(kernel)) / len(first)
    weights = weights - np.bincount(second, minlength=len(kernel)) / len(second)
    return max(0.0, float(weights @ kernel @ weights))
