"""Commands as a user starts them, with the time they take and the memory they need."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from faceflow_ml.errors import FaceFlowError


@dataclass(frozen=True)
class ProcessCost:
    """Wall-clock seconds of a process, and its largest resident memory; None where the system
    does not tell. Memory of its own child processes is not in it."""

    seconds: float
    peak_mib: float | None


def run_module(arguments: Sequence[str]) -> ProcessCost:
    """Run ``python -m ARGUMENTS`` to its end.

    Raises:
        FaceFlowError: it fails; the message is its last line.
    """
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=log
        )
        code, peak = _wait(process)
        seconds = time.perf_counter() - started
        if code:
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").strip().splitlines() or ["no message"]
            raise FaceFlowError(f"{arguments[0]} failed with exit code {code}: {lines[-1]}")
    return ProcessCost(seconds, peak)


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float | None]:
    """Exit code and peak resident memory in MiB of a process."""
    if not hasattr(os, "wait4"):  # Windows
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return process.returncode, round(usage.ru_maxrss * unit / 2**20, 1)
