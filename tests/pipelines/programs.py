"""Tiny programs that stand for the jobs' containers in the tests."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def _count(name: str) -> None:
    """Leave a mark of each time that a program runs, where the test looks for it."""
    marks = os.environ.get("MARKS")
    if marks:
        with (Path(marks) / name).open("a") as stream:
            stream.write(f"{os.getpid()}\n")


def write(folder: str, text: str) -> None:
    """Write report.json and value.txt into an output folder."""
    _count(f"write-{text}")
    out = Path(folder)
    (out / "value.txt").write_text(text)
    (out / "report.json").write_text(json.dumps({"value": text, "number": 0.5, "nested": {"n": 2}}))


def combine(folder: str, *inputs: str) -> None:
    """Write what the inputs' value.txt say, side by side."""
    _count("combine")
    text = "+".join((Path(name) / "value.txt").read_text() for name in inputs)
    write(folder, text)


def layout(folder: str) -> None:
    """Write down what a job sees."""
    seen = {
        "arguments": sys.argv,
        "place": os.environ.get("PLACE"),
        "here": os.environ.get("FROM_HERE"),
        "weights": os.environ.get("FACEFLOW_WEIGHTS"),
        "config": json.loads((BASE / "config/processingjobconfig.json").read_text()),
        "host": json.loads((BASE / "config/resourceconfig.json").read_text()),
        "input": sorted(p.name for p in (BASE / "processing/input").rglob("*") if p.is_file()),
    }
    (Path(folder) / "report.json").write_text(json.dumps(seen))


def say(folder: str, text: str) -> None:
    """Write a report of given text, JSON or not."""
    (Path(folder) / "report.json").write_text(text)


def fail(reason: str) -> None:
    """Fail, with a reason where SageMaker looks for it."""
    (BASE / "output").mkdir(parents=True, exist_ok=True)
    (BASE / "output" / "message").write_text(reason)
    sys.exit(3)


def crash() -> None:
    """Fail without a word but the traceback's."""
    raise RuntimeError("something broke")


def hold(name: str) -> None:
    """Wait as long as the test wants: while there is a file of that name among its marks."""
    marks = os.environ.get("MARKS")
    while marks and (Path(marks) / f"hold-{name}").exists():
        time.sleep(0.02)


def wait(folder: str, text: str) -> None:
    """Tell that it began, wait as long as the test wants, then write."""
    _count(f"begin-{text}")
    hold(text)
    write(folder, text)


def train() -> None:
    """A training job: counts its attempts in a checkpoint and leaves a model."""
    _count("train")
    checkpoint = BASE / "checkpoints/attempts"
    attempts = int(checkpoint.read_text()) + 1 if checkpoint.exists() else 1
    checkpoint.write_text(str(attempts))
    hold("train")
    model = {
        "attempts": attempts,
        "hyperparameters": json.loads((BASE / "input/config/hyperparameters.json").read_text()),
        "train": (BASE / "input/data/train/value.txt").read_text(),
        "host": json.loads((BASE / "input/config/resourceconfig.json").read_text())["current_host"],
        "job": os.environ["TRAINING_JOB_NAME"],
    }
    (BASE / "model/model.json").write_text(json.dumps(model))


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    globals()[name](*words)
