"""Commands as a user starts them, with the time they take and the memory they need."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.errors import FaceFlowError

_WATCH_SECONDS = 0.05


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


def peak_resident_mib(pid: int | str) -> float | None:
    """The largest resident memory of a running process since it started its program.

    Not ``ru_maxrss``, which Linux also counts from before the program replaced the one that
    started it: a large parent would pass its size on.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None  # not Linux, or it has ended
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return round(int(found[1]) / 1024, 1) if found else None


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float | None]:
    """Exit code and peak resident memory in MiB, as last seen before the end."""
    peak: float | None = None
    while True:
        peak = peak_resident_mib(process.pid) or peak
        try:
            return process.wait(timeout=_WATCH_SECONDS), peak
        except subprocess.TimeoutExpired:
            continue
