"""A step's program as a process group of its own, that no kill of the executor leaves behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.errors import FaceFlowError
from pipelines.programs import last_line

_LOCK, _GROUP = "program.lock", "program.pid"
_TELL_GROUP = 'echo $$ > "$0" && exec "$@"'  # by the program itself: no kill comes between
_GRACE = 30.0  # seconds between SIGTERM and SIGKILL, as SageMaker has it


class StoppedError(FaceFlowError):
    """The execution was told to stop while a program ran."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit code, and the last line that it wrote."""

    code: int
    last_line: str


def run_program(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str],
    log: Path,
    seconds: float,
    stop: threading.Event,
) -> Outcome:
    """Run a program to its end; what an earlier executor left running here is killed first.

    Args:
        command: program and arguments.
        folder: of the step, where lock and process id are kept.
        environment: all of it.
        log: file that stdout and stderr are appended to.
        seconds: it may run for.
        stop: ends it when set.

    Raises:
        FaceFlowError: it cannot be started, or ran for too long.
        StoppedError: ``stop`` was set.
    """
    end_leftover(folder)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        group = folder / _GROUP
        group.unlink(missing_ok=True)
        with log.open("ab") as output:
            try:
                # The program inherits the lock: as long as it lives, its group is known to be ours.
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _TELL_GROUP, str(group), *command],
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(descriptor,),
                )
            except OSError as error:
                raise FaceFlowError(f"cannot start {command[0]}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + seconds
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return Outcome(process.wait(timeout=0.2), last_line(log))
            if stop.is_set():
                raise StoppedError("stopped")
            if time.monotonic() > deadline:
                raise FaceFlowError(f"ran for longer than {seconds:.0f} seconds")
    finally:
        if process.poll() is None:
            _end(process)
        # As with a container, nothing that the program started outlives it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def end_leftover(folder: Path) -> None:
    """Kill the program that a killed executor left running in a step's folder."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        deadline = time.monotonic() + _GRACE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with contextlib.suppress(OSError, ValueError):
                    os.killpg(int((folder / _GROUP).read_text()), signal.SIGKILL)
                if time.monotonic() > deadline:
                    raise FaceFlowError(
                        f"a program of an earlier execution still runs in {folder}"
                    ) from None
                time.sleep(0.05)
            else:
                return
    finally:
        os.close(descriptor)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, grace in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=grace)
            return
