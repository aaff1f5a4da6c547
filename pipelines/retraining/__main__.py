"""``python -m pipelines.retraining``: the commands, on this machine or as Processing jobs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from faceflow_ml.cli._common import errors_to_exit_codes, unwind_on_sigterm
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_write_text
from pipelines.retraining.cli import app

_MESSAGE_CHARACTERS = 1024  # SageMaker shows no more


def main() -> None:
    """Run a command; errors are one line on stderr and an exit code."""
    unwind_on_sigterm()
    try:
        with errors_to_exit_codes():
            try:
                app(prog_name="python -m pipelines.retraining")
            except FaceFlowError as error:
                _tell_sagemaker(str(error))
                raise
    except typer.Exit as error:
        sys.exit(error.exit_code)


def _tell_sagemaker(message: str) -> None:
    """Leave the reason where a job's failure is looked for; nothing outside of a job."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
    if (base / "processing").is_dir():
        atomic_write_text(base / "output" / "message", message[:_MESSAGE_CHARACTERS])


if __name__ == "__main__":
    main()
