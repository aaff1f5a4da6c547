"""Where SageMaker puts things in a container: everything lies under ``/opt/ml``.

``SAGEMAKER_BASE_DIR`` names another folder of the same layout, so that every entry point also runs
as a plain process.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceflow_ml.errors import ConfigError

BASE_VARIABLE = "SAGEMAKER_BASE_DIR"


def base_dir() -> Path:
    """The folder that stands for ``/opt/ml``."""
    return Path(os.environ.get(BASE_VARIABLE) or "/opt/ml")


@dataclass(frozen=True)
class Host:
    """This machine among those of a job."""

    name: str
    hosts: tuple[str, ...]

    @property
    def rank(self) -> int:
        """Its place, the same for all: hosts are sorted by name."""
        return self.hosts.index(self.name)


def read_host(file: Path) -> Host:
    """Read a ``resourceconfig.json``; a job without one runs on one machine.

    Raises:
        ConfigError: it is not what SageMaker writes.
    """
    found = read_json(file)
    if found is None:
        return Host("algo-1", ("algo-1",))
    try:
        name, hosts = str(found["current_host"]), tuple(sorted(map(str, found["hosts"])))
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{file}: expected current_host and hosts") from error
    if name not in hosts:
        raise ConfigError(f"{file}: current_host {name!r} is not one of the hosts")
    return Host(name, hosts)


def read_json(file: Path) -> dict[str, Any] | None:
    """A JSON object in a file, or None where there is no such file.

    Raises:
        ConfigError: it cannot be read or is no JSON object.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: expected a JSON object")
    return found


def model_dir() -> Path | None:
    """The folder of the model that was deployed, or None: the shipped weights.

    An empty folder is what SageMaker leaves where a deployment names no model. One that holds
    anything must hold a model, lest a broken archive be answered for by other weights.
    """
    folder = base_dir() / "model"
    return folder if folder.is_dir() and any(folder.iterdir()) else None
