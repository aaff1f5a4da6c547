"""What the programs of Processing jobs share: SageMaker's folder, and their last word."""

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
                leave_message(str(error))
                raise
    except typer.Exit as error:
        sys.exit(error.exit_code)


def in_job() -> bool:
    """Whether this runs as a job; one without inputs and outputs has its configuration only."""
    return any((base_dir() / name).is_dir() for name in ("config", "processing"))


def leave_message(text: str) -> None:
    """Leave a job's last word where SageMaker looks for it: its ``ExitMessage``."""
    if in_job():
        atomic_write_text(base_dir() / "output/message", text[:_MESSAGE_CHARACTERS])
