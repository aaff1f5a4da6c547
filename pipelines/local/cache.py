"""Reuse of earlier steps: SageMaker's cache key, with contents in the place of S3 URIs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from faceflow_ml.data.fingerprint import fingerprint_files
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.pretrained import MANIFEST_NAME
from pipelines.local.objects import LocalStore

# What SageMaker compares of each type of step: outputs, roles and instances are not among it.
KEYS = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
}


@dataclass(frozen=True)
class Hit:
    """An earlier result: properties of the step, and the execution that made it."""

    properties: dict[str, Any]
    execution_id: str


@dataclass(frozen=True)
class StepCache:
    """Results of steps below a folder. code: fingerprint of what stands for the images."""

    folder: Path
    store: LocalStore
    code: str

    def key(self, pipeline: str, step: Mapping[str, Any], request: Mapping[str, Any]) -> str:
        """What must be equal for a step's earlier result to be reused.

        Raises:
            FaceFlowError: an input is missing.
        """
        seen = {name: request.get(name) for name in KEYS[step["Type"]]}
        content = self._contents(seen)
        text = json.dumps([pipeline, step["Name"], self.code, content], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def find(self, key: str, expire_after: str | None) -> Hit | None:
        """An earlier result that is not too old, and whose outputs are still there."""
        try:
            entry = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
            made = datetime.fromisoformat(entry["ended"])
            hit = Hit(entry["properties"], entry["execution_id"])
        except (OSError, ValueError, KeyError):
            return None
        if expire_after and datetime.now(UTC) - made > parse_duration(expire_after):
            return None
        return hit if all(self.store.exists(uri) for uri in _outputs(hit.properties)) else None

    def keep(self, key: str, properties: Mapping[str, Any], execution_id: str) -> None:
        """Remember a result."""
        entry = {
            "properties": properties,
            "execution_id": execution_id,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        atomic_write_text(self.folder / f"{key}.json", json.dumps(entry, indent=2) + "\n")

    def _contents(self, value: Any) -> Any:
        """``value`` with the URI of each input replaced by the fingerprint of what is there.

        A checkpoint's URI stays: what is there changes while a job trains.
        """
        if isinstance(value, list):
            return [self._contents(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "S3DataType" in value:
            return {**value, "S3Uri": self.store.fingerprint(value["S3Uri"])}
        return {key: self._contents(item) for key, item in value.items()}


def parse_duration(text: str) -> timedelta:
    """An ISO 8601 duration; SageMaker takes lower case too, and none of the leading P.

    >>> parse_duration("P30DT1H")
    datetime.timedelta(days=30, seconds=3600)
    >>> parse_duration("t12h")
    datetime.timedelta(seconds=43200)
    """
    return TypeAdapter(timedelta).validate_python("P" + text.upper().removeprefix("P"))


def code_fingerprint() -> str:
    """SHA-256 over what images would hold: the packages' code, the training configurations, and the
    shipped models, of which a detector is exported with its companions."""
    root = Path(__file__).resolve().parents[2]
    files = [
        path
        for package in ("faceflow_ml", "pipelines", "serving")
        for path in (root / package).rglob("*.py")
        if path.relative_to(root).parts[:2]
        not in (("faceflow_ml", "cli"), ("pipelines", "local"), ("pipelines", "deployment"))
    ]
    configs = [
        path for path in (root / "configs").glob("*/*.yaml") if path.parent.name != "pipeline"
    ]
    weights = root / "faceflow_ml/weights" / MANIFEST_NAME
    # By content alone: a rename within a package comes with a changed import.
    return fingerprint_files([*files, *configs, weights])


def _outputs(properties: Mapping[str, Any]) -> list[str]:
    named = properties.get("ProcessingOutputConfig", {}).get("Outputs", {})
    uris = [output["S3Output"]["S3Uri"] for output in named.values()]
    artifacts = properties.get("ModelArtifacts")
    return uris + ([artifacts["S3ModelArtifacts"]] if artifacts else [])
