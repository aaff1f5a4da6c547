"""``python -m pipelines.retraining``: the commands, on this machine or as Processing jobs."""

from __future__ import annotations

from pipelines.job import run_commands
from pipelines.retraining.cli import app

if __name__ == "__main__":
    run_commands(app, "python -m pipelines.retraining")
