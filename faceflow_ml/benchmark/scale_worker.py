"""One measurement of `bench scale`, as a process: ``python -m ... TASK N FILE``.

A process of its own, so that its peak memory is that of this task at this size.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from faceflow_ml.benchmark.mixture import THRESHOLD, Mixture, draw_mixture
from faceflow_ml.clustering.batch import cluster_faces
from faceflow_ml.clustering.incremental import GroupState, IncrementalAssigner
from faceflow_ml.clustering.sharded import cluster_sharded
from faceflow_ml.dedup.near import HASH_RADIUS, HammingIndex
from faceflow_ml.evaluation.clustering import bcubed

ASSIGNED = 300
"""New faces that are assigned one at a time."""
COPIES = 0.02
"""Share of the hashes that are of an altered copy of a photo."""
_FLIPPED = 9  # bits in which a copy differs, at most


def cluster(n: int) -> dict[str, Any]:
    """Group n vectors at once."""
    mixture = draw_mixture(n)
    started = time.perf_counter()
    labels = cluster_faces(mixture.vectors, threshold=THRESHOLD)
    return {"seconds": time.perf_counter() - started, **_scores(labels, mixture)}


def shards(n: int) -> dict[str, Any]:
    """Group n vectors day by day, then merge."""
    mixture = draw_mixture(n)
    started = time.perf_counter()
    labels = cluster_sharded(mixture.vectors, mixture.days, threshold=THRESHOLD)
    return {"seconds": time.perf_counter() - started, **_scores(labels, mixture)}


def assign(n: int) -> dict[str, Any]:
    """Assign faces, one at a time, to the groups of n vectors, which are taken as right."""
    mixture = draw_mixture(n + ASSIGNED)
    names = [f"p{person}" for person in mixture.people.tolist()]
    assigner = IncrementalAssigner(GroupState.of_faces(mixture.vectors[:n], names[:n]), THRESHOLD)
    known = set(names[:n])
    milliseconds, right = [], 0
    for row in range(n, n + ASSIGNED):
        started = time.perf_counter()
        (found,) = assigner.assign(mixture.vectors[row : row + 1])
        milliseconds.append((time.perf_counter() - started) * 1000)
        right += found == (names[row] if names[row] in known else None)
    p50, p99 = np.percentile(milliseconds, [50, 99]).tolist()
    return {"p50_ms": p50, "p99_ms": p99, "right": right / ASSIGNED, "groups": len(known)}


def hashes(n: int) -> dict[str, Any]:
    """Find all near-duplicates among n hashes of 64 bits."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**64, size=n, dtype=np.uint64)
    copies = round(n * COPIES)
    for row in range(copies):
        bits = rng.choice(64, size=int(rng.integers(0, _FLIPPED + 1)), replace=False)
        mask = sum(1 << int(bit) for bit in bits)
        values[n - 1 - row] = values[row] ^ np.uint64(mask)
    started = time.perf_counter()
    pairs = HammingIndex(values).pairs(HASH_RADIUS)
    seconds = time.perf_counter() - started
    found = set(map(tuple, pairs[pairs[:, 0] < copies].tolist()))
    planted = sum((row, n - 1 - row) in found for row in range(copies))
    return {"seconds": seconds, "pairs": len(pairs), "recall": planted / max(1, copies)}


TASKS: dict[str, Callable[[int], dict[str, Any]]] = {
    "cluster": cluster,
    "shards": shards,
    "assign": assign,
    "hashes": hashes,
}


def _scores(labels: np.ndarray, mixture: Mixture) -> dict[str, Any]:
    scores = bcubed(labels, mixture.people)
    return {
        "people": len(np.unique(mixture.people)),
        "groups": int(labels.max()) + 1,
        "precision": scores.precision,
        "recall": scores.recall,
        "bcubed_f1": scores.f1,
    }


if __name__ == "__main__":
    task, size, file = sys.argv[1:]
    Path(file).write_text(json.dumps(TASKS[task](int(size))), encoding="utf-8")
