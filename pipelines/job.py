"""What the programs of Processing jobs share: SageMaker's folder, and how a failure is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from faceflow_ml.cli._common import errors_to_exit_codes, unwind_on_sigterm
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_write_text

_MESSAGE_CHARACTERS = 1024  # SageMaker shows no more


def base_dir() -> Path:
    """``/opt/ml``, or the folder in its place that ``SAGEMAKER_BASE_DIR`` names."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")


def run_commands(app: typer.Typer, name: str) -> None:
    """Run a program's command line; errors are one line on stderr and an exit code.

    In a job the reason of a failure is also left where SageMaker looks for it.

    name: what the program is called by.
    """
    unwind_on_sigterm()
    try:
        with errors_to_exit_codes():
            try:
                app(prog_name=name)
            except FaceFlowError as error:
                _leave_reason(str(error))
                raise
    except typer.Exit as error:
        sys.exit(error.exit_code)


def _leave_reason(reason: str) -> None:
    base = base_dir()
    if (base / "processing").is_dir():  # nothing is left outside of a job
        atomic_write_text(base / "output/message", reason[:_MESSAGE_CHARACTERS])
