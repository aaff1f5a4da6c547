"""Small definitions, and the programs that stand for containers in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pipelines.local.cache import StepCache
from pipelines.local.execute import Home
from pipelines.local.jobs import Machine
from pipelines.local.objects import LocalStore

PROGRAMS = Path(__file__).with_name("programs.py")


class Registered:
    """A registry that remembers what it was asked to register."""

    def __init__(self) -> None:
        self.requests: dict[str, Any] = {}

    def __call__(self, key: str, request: Any) -> dict[str, Any]:
        self.requests[key] = request
        return {"ModelPackageVersion": len(self.requests)}


def home(folder: Path, register: Any = None, *, code: str = "1", parallel: int = 2) -> Home:
    """What small executions run with, below a folder; what is said is dropped."""
    store = LocalStore(folder / "s3")
    machine = Machine(
        store, {"trainer": ["python", os.fspath(PROGRAMS)]}, {"FROM_HERE": "yes"}, code
    )
    cache = StepCache(folder / "cache", store, code)
    said: list[str] = []
    return Home(folder / "work", machine, cache, register or Registered(), parallel, said.append)


def processing(
    name: str, *words: str, cached: bool = True, inputs: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A processing step that runs a program of `programs.py` and has one output, ``out``."""
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1}},
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": ["python", os.fspath(PROGRAMS)],
                "ContainerArguments": [*words],
            },
            "Environment": {"PLACE": "/opt/ml/processing"},
            "ProcessingInputs": [
                {
                    "InputName": key,
                    "S3Input": {
                        "S3Uri": uri,
                        "LocalPath": f"/opt/ml/processing/input/{key}",
                        "S3DataType": "S3Prefix",
                    },
                }
                for key, uri in (inputs or {}).items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "out",
                        "S3Output": {
                            "S3Uri": {
                                "Std:Join": {
                                    "On": "/",
                                    "Values": [
                                        "s3://bucket/runs",
                                        {"Get": "Execution.PipelineExecutionId"},
                                        name,
                                    ],
                                }
                            },
                            "LocalPath": "/opt/ml/processing/output/out",
                        },
                    }
                ]
            },
        },
        "PropertyFiles": [
            {"PropertyFileName": "Report", "OutputName": "out", "FilePath": "report.json"}
        ],
        **({"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}} if cached else {}),
    }


def output_of(name: str) -> dict[str, str]:
    """A reference to the output of a `processing` step."""
    return {"Get": f"Steps.{name}.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}


def report_of(name: str, path: str) -> dict[str, Any]:
    """A value in the property file of a `processing` step."""
    return {
        "Std:JsonGet": {
            "PropertyFile": {"Get": f"Steps.{name}.PropertyFiles.Report"},
            "Path": path,
        }
    }


def definition(*steps: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    """A definition of these steps."""
    kinds = {str: "String", int: "Integer", float: "Float"}
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [
            {"Name": name, "Type": kinds[type(value)], "DefaultValue": value}
            for name, value in parameters.items()
        ],
        "Steps": list(steps),
    }
