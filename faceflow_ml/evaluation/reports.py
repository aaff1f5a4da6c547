"""What a measurement leaves behind: a report, and the numbers in the manifest of the weights."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from faceflow_ml import __version__
from faceflow_ml.errors import FaceFlowError, WeightsError
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.pretrained import MANIFEST_NAME, Kind, Manifest, weights_dir

_LIBRARIES = (
    *("numpy", "onnxruntime", "opencv-python-headless", "faiss-cpu", "hdbscan"),
    *("leidenalg", "igraph", "infomap"),
)


@dataclass(frozen=True)
class Environment:
    """Where and with what a measurement was made; commit is None outside a git checkout."""

    commit: str | None
    faceflow_ml: str
    python: str
    system: str
    cpu: str
    cores: int
    libraries: dict[str, str]


@dataclass(frozen=True)
class ModelUsed:
    """A model that took part: its kind, the name it was asked for by, and its contract id."""

    kind: Kind
    name: str
    contract_id: str

    @classmethod
    def of(cls, kind: Kind, reference: str | None, contract_id: str) -> ModelUsed:
        """From what ``from_pretrained`` was given; of a path, its last part."""
        return cls(kind, "default" if reference is None else Path(reference).name, contract_id)


@dataclass(frozen=True)
class DataUsed:
    """Data that was measured on: its name, and a SHA-256 over names and contents."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class Report:
    """One measurement.

    what: "detector", "aligner", "embedder", "clustering", "grouping" or "calibration".
    created: UTC, ISO 8601. seconds: that it took.
    metrics: dataclasses by the name of what was measured.
    """

    what: str
    created: str
    seconds: float
    environment: Environment
    models: tuple[ModelUsed, ...]
    data: tuple[DataUsed, ...]
    metrics: Mapping[str, Any]


def now() -> str:
    """UTC to the second, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries, all the way down, as JSON has them; arrays are not expected."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def environment() -> Environment:
    """This process's machine, code and libraries."""
    return Environment(
        commit=git_commit(),
        faceflow_ml=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cpu=cpu_model(),
        cores=usable_cores(),
        libraries={name: found for name in _LIBRARIES if (found := _version(name))},
    )


def git_commit() -> str | None:
    """The commit of the checkout that this code is in, with ``-dirty`` if tracked files differ."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", os.fspath(root), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None


def cpu_model() -> str:
    """The processor's name, as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def write_report(file: Path, report: Report) -> None:
    """Write a report as JSON in one step."""
    text = json.dumps(plain(report), indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write_text(file, text + "\n")


def update_manifest(
    kind: Kind,
    contract_id: str,
    *,
    metrics: Mapping[str, Any] | None = None,
    calibration: Mapping[str, float] | None = None,
    folder: Path | None = None,
) -> Path:
    """Put measured numbers into the manifest's entry of a model, in one step.

    Sections of ``metrics`` and keys of ``calibration`` that are given replace those of the same
    name; the others stay.

    Args:
        kind: "detector", "aligner" or "embedder".
        contract_id: of the model that was measured; the entry is found by it.
        metrics: dataclasses or plain JSON values, by section.
        calibration: numbers, by key.
        folder: of the manifest; None for that of the default weights.

    Returns:
        The file that was written.

    Raises:
        WeightsError: there is no manifest, or no entry of that contract id in it.
    """
    path = (folder if folder is not None else weights_dir()) / MANIFEST_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        Manifest.model_validate(document)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, ValidationError) as error:
        raise WeightsError(f"{path} is not a manifest: {error}") from error
    entries = document["models"].get(kind, {}).values()
    entry = next((e for e in entries if e["contract_id"] == contract_id), None)
    if entry is None:
        raise WeightsError(
            f"{path}: no {kind} with contract id {contract_id}; export the model there first"
        )
    entry["metrics"] = {**entry.get("metrics", {}), **plain(metrics or {})}
    entry["calibration"] = {**entry.get("calibration", {}), **(calibration or {})}
    try:
        Manifest.model_validate(document)
    except ValidationError as error:
        raise FaceFlowError(f"these numbers do not fit in a manifest: {error}") from error
    atomic_write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
