"""The whole job as a user starts it: photos a second, and memory."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.album.group import group_album
from faceflow_ml.benchmark.processes import ProcessCost, run_module
from faceflow_ml.inference.pipeline import FacePipeline


@dataclass(frozen=True)
class Throughput:
    """``faceflow-ml group`` on all cores with an empty cache.

    photos: that were analysed; copies of a file are analysed once.
    photos_per_second: of the command, with starting Python, loading libraries and models, grouping
        and writing the gallery.
    photos_per_second_warm: of the same work in a process that has them loaded.
    peak_mib: largest resident memory of the command; None where the system does not tell.
    """

    photos: int
    seconds: float
    photos_per_second: float
    seconds_warm: float
    photos_per_second_warm: float
    peak_mib: float | None


def measure_throughput(
    album: Path, *, detector: str | None = None, embedder: str | None = None
) -> Throughput:
    """Group an album by the command, and once more in this process.

    Raises:
        FaceFlowError: the command fails; the message is its last line.
    """
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as work:
        cost = group_command(album, Path(work) / "command", detector, embedder)
        engine = FacePipeline.from_pretrained(detector=detector, embedder=embedder, threads=1)
        started = time.perf_counter()
        photos = group_album(album, Path(work) / "warm", engine).computed
        warm = time.perf_counter() - started
    return Throughput(
        photos=photos,
        seconds=round(cost.seconds, 3),
        photos_per_second=round(photos / cost.seconds, 2),
        seconds_warm=round(warm, 3),
        photos_per_second_warm=round(photos / warm, 2),
        peak_mib=cost.peak_mib,
    )


def group_command(
    album: Path, out: Path, detector: str | None, embedder: str | None
) -> ProcessCost:
    """Run ``faceflow-ml group`` on a folder of photos, as a process of its own.

    Raises:
        FaceFlowError: it fails; the message is its last line.
    """
    arguments = ["faceflow_ml", "group", os.fspath(album), "--out", str(out)]
    for option, value in (("--detector", detector), ("--embedder", embedder)):
        if value is not None:
            arguments += [option, value]
    return run_module(arguments)
