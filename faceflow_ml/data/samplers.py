"""Which sample comes when: shuffles that resume exactly, and batches balanced over identities.

Every order is a pure function of the seed and the epoch; each process takes its share by rank. They
are plain iterables: pass them to a loader as ``sampler`` or ``batch_sampler``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


class _Resumable:
    """The epoch, the share of this process, and where to start."""

    def __init__(self, seed: int, rank: int, world_size: int) -> None:
        if world_size < 1 or not 0 <= rank < world_size:
            raise ValueError(f"rank must be in [0, world_size), got {rank} of {world_size}")
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._start = 0

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the next pass, which leaves out the first ``start`` items.

        ``start`` counts what this process took before it stopped, and holds for one pass.
        """
        self.epoch = epoch
        self._start = start

    def _take_start(self) -> int:
        start, self._start = self._start, 0
        return start


class ShuffleSampler(_Resumable):
    """All positions in a new order every epoch, or as many drawn by weight.

    Args:
        length: number of samples.
        seed: of the orders.
        rank: which share of an epoch this process takes.
        world_size: number of shares. All have ``length // world_size`` positions; the few that are
            left over change with the epoch.
        weights: (length,) non-negative; positions are then drawn with replacement in proportion.

    Raises:
        ValueError: a rank outside the world, fewer samples than processes, or bad weights.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        weights: NDArray[np.floating] | None = None,
    ) -> None:
        super().__init__(seed, rank, world_size)
        if length < world_size:
            raise ValueError(f"{length} samples are too few for {world_size} processes")
        self.length = length
        self._cumulative = None if weights is None else _cumulative(weights, length)

    def __len__(self) -> int:
        return self.length // self.world_size

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self._cumulative is None:
            order = rng.permutation(self.length)
        else:
            # The right-hand side: a weight of zero is never drawn, even by a draw of exactly 0.
            order = np.searchsorted(self._cumulative, rng.random(self.length), side="right")
        share = order[self.rank :: self.world_size][: len(self)]
        return iter(share[self._take_start() :].tolist())


class BalancedIdentityBatches(_Resumable):
    """Batches of P identities with K faces each (Hermans et al., 2017).

    Identities take turns: none comes again before all others had theirs (the last few of a round
    that do not fill a batch sit it out, others each round). The faces of one are drawn without
    replacement while they last.

    Args:
        labels: (n,) the identity of every sample.
        identities: P, identities a batch.
        faces: K, faces of each.
        seed, rank, world_size: as for :class:`ShuffleSampler`. Processes get disjoint identities.
        batches: batches an epoch for each process; None takes about as many faces as there are.

    Raises:
        ValueError: fewer identities than P over all processes, or a size below 1.
    """

    def __init__(
        self,
        labels: Sequence[int] | Sequence[str] | NDArray[np.integer],
        *,
        identities: int,
        faces: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        batches: int | None = None,
    ) -> None:
        super().__init__(seed, rank, world_size)
        if identities < 1 or faces < 1 or (batches is not None and batches < 1):
            raise ValueError("identities, faces and batches must be at least 1")
        values = np.asarray(labels)
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        if len(counts) < identities * world_size:
            raise ValueError(
                f"{len(counts)} identities are too few for {world_size} x {identities} a batch"
            )
        self._members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
        self.identities = identities
        self.faces = faces
        all_faces = identities * faces * world_size
        self.batches = batches or max(1, round(len(values) / all_faces))

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        step = self.identities * self.world_size
        batches_a_round = len(self._members) // step
        order: NDArray[np.int64] | None = None
        for batch in range(self._take_start(), self.batches):
            round_, place = divmod(batch, batches_a_round)
            if order is None or place == 0:
                rng = np.random.default_rng([self.seed, self.epoch, round_])
                order = rng.permutation(len(self._members))
            first = place * step + self.rank * self.identities
            rng = np.random.default_rng([self.seed, self.epoch, batch, self.rank + 1])
            chosen = order[first : first + self.identities]
            yield np.concatenate([self._draw(int(who), rng) for who in chosen]).tolist()

    def _draw(self, who: int, rng: np.random.Generator) -> NDArray[np.int64]:
        members = self._members[who]
        rounds = -(-self.faces // len(members))
        drawn = [rng.permutation(members) for _ in range(rounds)]
        return np.concatenate(drawn)[: self.faces]


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
