"""Very large albums: grouped day by day, then merged in rounds.

Most photos of a person's life lie days apart, and a day is small. Each shard is grouped by itself,
exactly; then the groups of neighbouring shards are grouped as faces were, then those of
neighbouring rounds. Every problem is small but the last, which has groups in place of faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceflow_ml.clustering.batch import Options, Problem, group_units, prepare

FAN_IN = 8
"""Shards that are merged at a time."""
SMALLEST = 2_000
"""Faces of the smallest shard worth a step of its own; days with fewer are put together."""


def cluster_sharded(
    vectors: ArrayLike,
    shards: Sequence[Any] | NDArray[Any],
    *,
    smallest: int = SMALLEST,
    **options: Unpack[Options],
) -> NDArray[np.int64]:
    """`cluster_faces` for very many faces, by shards.

    What holds there holds here: constraints, across shards too, and independence of the order of
    the faces. Groups may differ a little: what a shard has joined stays together.

    Args:
        vectors: (n, d) float, L2-normalised.
        shards: n strings or n integers: the day of each face, say. Shards are taken in order, and
            neighbours are merged first.
        smallest: faces; shards are put together, in order, until they hold so many.
        options: those of `cluster_faces`, by name.

    Returns:
        (n,) int64 as of `cluster_faces`.

    Raises:
        ValueError: as of `cluster_faces`; there is not one shard a face.
    """
    problem = prepare(vectors, **options)
    days = np.asarray(shards)
    n = len(problem.order)
    if days.shape != (n,) or (n and days.dtype.kind not in "iuUS"):
        raise ValueError(
            f"shards must hold a string or an integer for each of {n} faces, got {days.shape} "
            f"{days.dtype}"
        )
    if n == 0:
        return np.empty(0, dtype=np.int64)
    of_face = _batches(np.unique(days, return_inverse=True)[1], smallest)[problem.order]
    # A unit that must-links put together from several shards waits for the last round.
    unit, m = problem.constraints.unit, len(problem.constraints)
    first, last = np.full(m, n, dtype=np.int64), np.full(m, -1, dtype=np.int64)
    np.minimum.at(first, unit, of_face)
    np.maximum.at(last, unit, of_face)
    shard = np.where(first == last, first, -1)
    labels = np.arange(m)
    for chosen in _rounds(shard, int(of_face.max()) + 1):
        labels[chosen] = _merge(problem, labels[chosen], chosen)
    return problem.finish(np.unique(labels, return_inverse=True)[1].astype(np.int64))


def _merge(
    problem: Problem, labels: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Group some units further: (k,) new labels, each the number of a unit that has it."""
    present, group = np.unique(labels, return_inverse=True)
    everything = len(chosen) == len(problem.units)
    units = problem.units if everything else problem.units.take(chosen)
    part = units.contract(group)
    founder = part.counts > 1
    np.logical_or.at(founder, group, problem.founder[chosen])
    joined = group_units(part, founder, problem.method, problem.threshold)
    # The first of the old labels stands for all that joined it.
    name = np.full(int(joined.max()) + 1, len(problem.units), dtype=np.int64)
    np.minimum.at(name, joined, present)
    return np.asarray(name[joined[group]], dtype=np.int64)


def _batches(day: NDArray[np.int64], smallest: int) -> NDArray[np.int64]:
    """(n,) number of the batch of days that each face is in, from 0 in order of days.

    >>> _batches(np.array([0, 0, 1, 2, 2, 2, 3]), 3).tolist()
    [0, 0, 0, 1, 1, 1, 1]
    """
    batch_of_day, batch, held = [], 0, 0
    sizes = np.bincount(day).tolist()
    left = sum(sizes)
    for size in sizes:
        # The last batch is not left with less than it should hold.
        if held >= smallest and left >= smallest:
            batch, held = batch + 1, 0
        batch_of_day.append(batch)
        held += size
        left -= size
    return np.array(batch_of_day, dtype=np.int64)[day]


def _rounds(shard: NDArray[np.int64], count: int) -> Iterator[NDArray[np.int64]]:
    """The units of each problem in turn: shards, then `FAN_IN` of them, until all are one.

    The last has the units that are in no shard (-1) too.
    """
    while count > 1:
        order = np.argsort(shard, kind="stable")
        start = np.searchsorted(shard[order], np.arange(count + 1))
        for k in range(count):
            if start[k] < start[k + 1]:
                yield order[start[k] : start[k + 1]]
        shard = np.where(shard >= 0, shard // FAN_IN, -1)
        count = -(-count // FAN_IN)
    yield np.arange(len(shard))
