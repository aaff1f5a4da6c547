"""The ingestion state machine as Terraform renders it, without Terraform."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "infra/statemachines/ingestion.asl.json"
_PLACE = re.compile(r"\$\{(\w+)\}")

ACCOUNT = "111122223333"
_FUNCTION = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:faceflow-dev-"
VALUES: dict[str, Any] = {
    "partition": "aws",
    "prefix": "faceflow-dev",
    **{
        f"{step}_function": _FUNCTION + step
        for step in ("extract", "deduplicate", "detect", "embed", "cluster", "notify")
    },
    "derived_bucket": f"faceflow-dev-derived-{ACCOUNT}",
    "table": "faceflow-dev",
    "data_key": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1",
    "pipeline_role": f"arn:aws:iam::{ACCOUNT}:role/faceflow-dev-pipeline",
    "processing_image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/faceflow-detection:1.0.0",
    "processing_instance_type": "ml.c6i.4xlarge",
    "processing_instances": 2,
    "processing_volume_gb": 200,
    "processing_seconds": 43200,
    "processing_wait_seconds": 45000,
    "small_photos": 200,
    "large_photos": 50000,
    "cluster_photos": 20000,
    "map_concurrency": 10,
    "distributed_concurrency": 50,
    "execution_seconds": 259200,
    "cluster_arn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/faceflow-dev",
    "task_definition": "faceflow-dev-cluster",
    "subnets": '["subnet-1", "subnet-2"]',
    "security_groups": '["sg-1"]',
}


def render(**changes: Any) -> str:
    """The definition, with other values where given.

    Raises:
        KeyError: a place in the file has no value.
    """
    values = VALUES | changes
    return _PLACE.sub(lambda place: str(values[place[1]]), FILE.read_text(encoding="utf-8"))


def places() -> set[str]:
    """Names of the places to be filled."""
    return set(_PLACE.findall(FILE.read_text(encoding="utf-8")))


def states(machine: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state with its name, those within Maps as ``Map/State``."""
    for name, state in machine["States"].items():
        yield above + name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"], f"{above}{name}/")


def definition(**changes: Any) -> dict[str, Any]:
    """The rendered definition, parsed."""
    parsed: dict[str, Any] = json.loads(render(**changes))
    return parsed
