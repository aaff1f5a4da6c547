"""What an execution knows of itself, kept so that a killed one goes on."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.evaluation.reports import now
from faceflow_ml.files import atomic_write_text
from pipelines.definition.compile import to_json

StepStatus = Literal["Executing", "Succeeded", "Failed"]
STATE, DEFINITION = "state.json", "definition.json"
_ALPHABET = string.ascii_lowercase + string.digits  # of SageMaker's execution ids


@dataclass
class StepState:
    """A step that was begun. times: UTC, ISO 8601. cached: the execution its result comes from."""

    status: StepStatus
    started: str
    ended: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    cached: str | None = None


@dataclass
class ExecutionState:
    """An execution: its parameters, and its steps by name."""

    execution_id: str
    pipeline: str
    parameters: dict[str, Any]
    started: str
    status: StepStatus = "Executing"
    ended: str | None = None
    failure: str | None = None
    steps: dict[str, StepState] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write ``folder/state.json`` in one step."""
        atomic_write_text(folder / STATE, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> ExecutionState:
        """Read ``folder/state.json``; FaceFlowError if it is not one."""
        try:
            document = json.loads((folder / STATE).read_text(encoding="utf-8"))
            steps = {name: StepState(**step) for name, step in document.pop("steps").items()}
            return cls(steps=steps, **document)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise FaceFlowError(f"{folder} holds no readable execution: {error}") from error


def begin(
    definition: dict[str, Any],
    name: str,
    parameters: dict[str, Any],
    root: Path,
    *,
    fresh: bool = False,
) -> tuple[ExecutionState, Path]:
    """The newest execution of this definition and these parameters that is not at its end, or a
    new one, with its folder."""
    executions = root / "executions"
    text = to_json(definition)
    if not fresh:
        for file in sorted(
            executions.glob(f"*/{STATE}"), key=lambda f: f.stat().st_mtime, reverse=True
        ):
            try:
                state = ExecutionState.load(file.parent)
                same = (file.parent / DEFINITION).read_text(encoding="utf-8") == text
            except (OSError, FaceFlowError):
                continue  # not one of ours, or killed before it began
            if state.status == "Executing" and same and state.parameters == parameters:
                return state, file.parent
    execution_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    folder = executions / execution_id
    state = ExecutionState(execution_id, name, parameters, now())
    atomic_write_text(folder / DEFINITION, text)
    state.save(folder)
    return state, folder


@contextmanager
def locked(file: Path, *, what: str) -> Iterator[None]:
    """Hold a lock file for a ``with`` block; the system lets go of it when the process dies.

    Raises:
        FaceFlowError: another process holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FaceFlowError(f"{what} is in use by another process") from error
        yield
    finally:
        os.close(descriptor)
