"""The whole job as a user starts it: photos a second, and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.album.group import group_album
from faceflow_ml.errors import FaceFlowError
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
        seconds, peak = _run_command(album, Path(work) / "command", detector, embedder)
        engine = FacePipeline.from_pretrained(detector=detector, embedder=embedder, threads=1)
        started = time.perf_counter()
        photos = group_album(album, Path(work) / "warm", engine).computed
        warm = time.perf_counter() - started
    return Throughput(
        photos=photos,
        seconds=round(seconds, 3),
        photos_per_second=round(photos / seconds, 2),
        seconds_warm=round(warm, 3),
        photos_per_second_warm=round(photos / warm, 2),
        peak_mib=peak,
    )


def _run_command(
    album: Path, out: Path, detector: str | None, embedder: str | None
) -> tuple[float, float | None]:
    command = [sys.executable, "-m", "faceflow_ml", "group", os.fspath(album), "--out", str(out)]
    for option, value in (("--detector", detector), ("--embedder", embedder)):
        if value is not None:
            command += [option, value]
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        code, peak = _wait(process)
        seconds = time.perf_counter() - started
        if code:
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").strip().splitlines() or ["no message"]
            raise FaceFlowError(f"faceflow-ml group failed with exit code {code}: {lines[-1]}")
    return seconds, peak


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float | None]:
    """Exit code and peak resident memory in MiB of a process."""
    if not hasattr(os, "wait4"):  # Windows
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return process.returncode, round(usage.ru_maxrss * unit / 2**20, 1)
