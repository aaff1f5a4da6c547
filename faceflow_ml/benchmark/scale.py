"""How grouping and de-duplication grow: time, memory and quality at several sizes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faceflow_ml.benchmark.processes import run_module
from faceflow_ml.clustering.batch import THRESHOLD, cluster_faces
from faceflow_ml.evaluation.clustering import bcubed
from faceflow_ml.evaluation.photo_sources import read_aligned_faces
from faceflow_ml.evaluation.reports import Environment, ModelUsed, environment, now
from faceflow_ml.inference.embedder import FaceEmbedder

_WORKER = "faceflow_ml.benchmark.scale_worker"


@dataclass(frozen=True)
class ClusterScale:
    """Grouping of ``n`` vectors; peak_mib: of the process, vectors included."""

    n: int
    people: int
    groups: int
    seconds: float
    peak_mib: float | None
    precision: float
    recall: float
    bcubed_f1: float


@dataclass(frozen=True)
class AssignScale:
    """One new face at a time, to the groups of ``n``. right: share that got their person, or none
    where the person is new."""

    n: int
    groups: int
    p50_ms: float
    p99_ms: float
    right: float
    peak_mib: float | None


@dataclass(frozen=True)
class HashScale:
    """All pairs of near hashes among ``n``. recall: of the planted copies."""

    n: int
    seconds: float
    pairs: int
    recall: float
    peak_mib: float | None


@dataclass(frozen=True)
class Scale:
    """Everything at every size. real: the validation faces, by the embedder; None without."""

    created: str
    environment: Environment
    embedder: ModelUsed | None
    real: ClusterScale | None
    whole: tuple[ClusterScale, ...]
    sharded: tuple[ClusterScale, ...]
    assigned: tuple[AssignScale, ...]
    hashes: tuple[HashScale, ...]


def run_scale(
    sizes: Sequence[int],
    data: Path | None,
    *,
    embedder: str | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Scale:
    """Measure every size, each task in a process of its own.

    Args:
        sizes: numbers of vectors and of hashes.
        data: a folder with ``identities/val.parquet``; None leaves real faces out.
        embedder: as for ``from_pretrained``; for real faces.
        say: told what is measured now.

    Raises:
        FaceFlowError: a process fails, for want of memory perhaps.
    """

    def run(task: str, n: int) -> dict[str, Any]:
        say(f"{task}: {n:,}")
        with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as work:
            file = Path(work) / "result.json"
            cost = run_module([_WORKER, task, str(n), str(file)])
            return {"n": n, "peak_mib": cost.peak_mib, **json.loads(file.read_text("utf-8"))}

    real, used = None, None
    faces = data / "identities" / "val.parquet" if data is not None else None
    if faces is not None and faces.is_file():
        say("Grouping real faces")
        real, used = _real(faces, embedder)
    return Scale(
        created=now(),
        environment=environment(),
        embedder=used,
        real=real,
        whole=tuple(ClusterScale(**run("cluster", n)) for n in sizes),
        sharded=tuple(ClusterScale(**run("shards", n)) for n in sizes),
        assigned=tuple(AssignScale(**run("assign", n)) for n in sizes),
        hashes=tuple(HashScale(**run("hashes", n)) for n in sizes),
    )


def growth(sizes: Sequence[float], seconds: Sequence[float]) -> float | None:
    """The exponent of the power law that fits best: slope of log time over log size.

    >>> growth([10, 100, 1000], [1, 10, 100])
    1.0
    >>> growth([10], [1]) is None
    True
    """
    if len(set(sizes)) < 2 or min(seconds) <= 0:
        return None
    return round(float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]), 3)


def _real(file: Path, name: str | None) -> tuple[ClusterScale, ModelUsed]:
    embedder = FaceEmbedder.from_pretrained(name)
    samples = read_aligned_faces(file)
    vectors = np.concatenate(
        [
            embedder.embed(np.stack([sample.decode() for sample in samples[start : start + 32]]))
            for start in range(0, len(samples), 32)
        ]
    )
    people = np.unique([sample.identity for sample in samples], return_inverse=True)[1]
    threshold = embedder.match_threshold
    started = time.perf_counter()
    labels = cluster_faces(vectors, threshold=THRESHOLD if threshold is None else threshold)
    seconds = time.perf_counter() - started
    scores = bcubed(labels, people)
    result = ClusterScale(
        n=len(samples),
        people=int(people.max()) + 1,
        groups=int(labels.max()) + 1,
        seconds=seconds,
        peak_mib=None,
        precision=scores.precision,
        recall=scores.recall,
        bcubed_f1=scores.f1,
    )
    return result, ModelUsed.of("embedder", name, embedder.contract_id)
