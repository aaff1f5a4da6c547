"""Executes a small definition in a process that a test kills: ``executor.py ROOT``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from pipelines.local.cache import StepCache
from pipelines.local.execute import Execution, Home, merge_parameters
from pipelines.local.jobs import Machine
from pipelines.local.objects import LocalStore
from pipelines.local.state import begin, locked
from tests.pipelines import programs
from tests.pipelines.small import PROGRAMS, definition, output_of, processing, report_of

OUT = "/opt/ml/processing/output/out"
STEPS = ("data", "train", "final", "register")


def document() -> dict[str, Any]:
    """Data, training with checkpoints, an evaluation of both, and a registration."""
    train = {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {"TrainingImage": "registry/trainer:1"},
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": output_of("Data")}
                    },
                }
            ],
            "ResourceConfig": {"InstanceCount": 1},
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
            "CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints"},
        },
    }
    model = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {"contract_id": report_of("Final", "value"), "model": model},
    }
    condition = {
        "Name": "Check",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [
                {
                    "Type": "Equals",
                    "LeftValue": report_of("Final", "nested.n"),
                    "RightValue": 2,
                }
            ],
            "IfSteps": [register],
            "ElseSteps": [],
        },
    }
    return definition(
        processing("Data", "wait", OUT, "data", cached=False),
        train,
        processing("Final", "wait", OUT, "final", cached=False, inputs={"model": model}),
        condition,
    )


def register(key: str, request: Any) -> dict[str, Any]:
    """Registers once for each key, as the real registry does."""
    marks = Path(os.environ["MARKS"])
    with (marks / "begin-register").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    (marks / f"registered-{key}").write_text(str(request["contract_id"]))
    programs.hold("register")
    return {"ModelPackageVersion": 1}


def main(root: Path) -> str:
    """Begin or go on; returns the status and what failed."""
    store = LocalStore(root / "s3")
    machine = Machine(store, {"trainer": ["python", os.fspath(PROGRAMS)]}, {}, "1")
    home = Home(root / "work", machine, StepCache(root / "cache", store, "1"), register, 2, print)
    compiled = document()
    with locked(root / "lock", what="the folder"):
        state, folder = begin(compiled, "small", merge_parameters(compiled, {}), root)
        state = Execution(compiled, state, folder, home).run()
    return f"{state.execution_id} {state.status} {state.failure}"


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])) + "\n")
