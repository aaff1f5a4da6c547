"""Which sample comes when: orders that resume exactly, are shared over processes, and may balance
identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """All samples in a new order every epoch, or as many drawn by weight.

    The order is a pure function of the seed and the epoch; each process takes its share by rank.
    Yields ``(epoch, position)`` pairs, so that augmentation can depend on both.

    Args:
        length: number of samples.
        position: returns the epoch and how many samples of this rank's share are done in it; asked
            whenever iteration begins, so that a resumed run goes on inside its epoch.
        seed: of the orders.
        rank: which share of each epoch this process takes.
        world_size: number of shares; all have the same length.
        weights: ``(length,)`` non-negative; positions are then drawn with replacement in
            proportion.

    Raises:
        ValueError: a rank outside the world, fewer samples than processes, or bad weights.
    """

    def __init__(
        self,
        length: int,
        position: Callable[[], tuple[int, int]],
        *,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        weights: NDArray[np.floating] | None = None,
    ) -> None:
        if world_size < 1 or not 0 <= rank < world_size:
            raise ValueError(f"rank must be in [0, world_size), got {rank} of {world_size}")
        if length < world_size:
            raise ValueError(f"{length} samples are too few for {world_size} processes")
        self.length = length
        self.position = position
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self._cumulative = None if weights is None else _cumulative(weights, length)

    def __len__(self) -> int:
        return self.length // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, done = self.position()
        rng = np.random.default_rng((self.seed, epoch))
        if self._cumulative is None:
            order = rng.permutation(self.length)
        else:
            # The right-hand side: a weight of zero is never drawn, even by a draw of exactly 0.
            order = np.searchsorted(self._cumulative, rng.random(self.length), side="right")
        share = order[self.rank :: self.world_size][: len(self)][done:]
        return iter([(epoch, int(position)) for position in share])


def class_balanced_weights(
    labels: Sequence[int] | Sequence[str] | NDArray[np.integer], beta: float = 0.999
) -> NDArray[np.float64]:
    """Sample weights by the effective number of samples (Cui et al., 2019).

    Args:
        labels: (n,) the class of every sample.
        beta: in [0, 1); 0 weighs all samples alike, near 1 all classes alike.

    Returns:
        (n,) float64 weights with mean 1, proportional to ``(1 - beta) / (1 - beta ** count)``.

    Raises:
        ValueError: no labels, or ``beta`` outside [0, 1).
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be in [0, 1), got {beta}")
    if not len(labels):
        raise ValueError("no labels to weigh")
    _, inverse, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    weights = ((1 - beta) / (1 - np.power(beta, counts, dtype=np.float64)))[inverse]
    return np.asarray(weights / weights.mean(), np.float64)


def _cumulative(weights: NDArray[np.floating], length: int) -> NDArray[np.float64]:
    values = np.asarray(weights, np.float64)
    if values.shape != (length,):
        raise ValueError(f"weights must be ({length},), got {values.shape}")
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise ValueError("weights must be finite, not negative, and not all zero")
    cumulative = np.cumsum(values)
    return np.asarray(cumulative / cumulative[-1], np.float64)
