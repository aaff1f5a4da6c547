"""Training in a container: SageMaker's files become its variables, then `faceflow-ml train` runs.

SageMaker lays ``hyperparameters.json``, ``resourceconfig.json`` and the channels under
``/opt/ml/input`` and keeps what is left in ``/opt/ml/model``. `faceflow_ml.training.config` reads
the variables that its own images set from these files; this module is their counterpart.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from faceflow_ml.errors import ConfigError
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.pretrained import Kind
from serving.sagemaker import Host, base_dir, read_host, read_json

CONFIGS_VARIABLE = "FACEFLOW_CONFIGS"
"""Environment variable: the folder that names of configurations are looked up in; by default the
one beside this package, as in a checkout."""
_MASTER_PORT = "7777"
_PROGRESS = re.compile(r"\b(it/s|s/it)\b")
_FAILURE_CHARACTERS = 1024  # SageMaker shows no more


@dataclass(frozen=True)
class TrainingJob:
    """What SageMaker asked for.

    config: the training configuration. export: leave a servable model besides the checkpoint.
    environment: of the training process. words: overrides for its command line.
    """

    kind: Kind
    config: Path
    export: bool
    environment: dict[str, str]
    words: tuple[str, ...]


def train(kind: Kind) -> int:
    """Run a training job to its end; returns the exit code.

    The hyperparameter ``config`` names the configuration: a file of the channel ``config``, one of
    this project (``embedder/gpu``) or a path. Those with a dot override its values. The model is
    exported next to its checkpoint, so that ``model.tar.gz`` can be deployed as it is; ``export``
    set to false leaves that out. A job that was stopped goes on from its checkpoint.

    Raises:
        ConfigError: the job's files are not what SageMaker writes, or there is no such
            configuration; the reason is also left where SageMaker looks for it.
    """
    base = base_dir()
    try:
        job = read_job(kind, base)
    except ConfigError as error:
        _leave_reason(base, str(error))
        raise
    train_words = ["train", kind, "--config", str(job.config), *job.words]
    code, last = _run(train_words, job.environment)
    if code == 0 and job.export and job.environment["SM_CURRENT_HOST"] == _first_host(job):
        folder = job.environment["SM_MODEL_DIR"]
        checkpoint = str(Path(folder) / "best.ckpt")
        export_words = ["export", kind, "--checkpoint", checkpoint, "--out", folder]
        code, last = _run(export_words, job.environment)
    if code != 0:
        _leave_reason(base, last)
    return code


def read_job(kind: Kind, base: Path) -> TrainingJob:
    """Read what SageMaker laid under ``base``.

    Raises:
        ConfigError: see `train`.
    """
    raw = read_json(base / "input/config/hyperparameters.json") or {}
    hyperparameters = {name: _value(text) for name, text in raw.items()}
    host = read_host(base / "input/config/resourceconfig.json")
    channels = _channels(base / "input/data")
    environment = dict(os.environ) | {
        "SM_HPS": json.dumps(hyperparameters),
        "SM_CHANNELS": json.dumps(sorted(channels)),
        "SM_HOSTS": json.dumps(host.hosts),
        "SM_CURRENT_HOST": host.name,
        "SM_INPUT_DIR": str(base / "input"),
        "SM_INPUT_CONFIG_DIR": str(base / "input/config"),
        "SM_MODEL_DIR": str(base / "model"),
        "SM_OUTPUT_DIR": str(base / "output"),
        "SM_OUTPUT_DATA_DIR": str(base / "output/data"),
    }
    environment.setdefault("SM_CHECKPOINT_DIR", str(base / "checkpoints"))
    for name, folder in channels.items():
        environment[f"SM_CHANNEL_{name.upper()}"] = str(folder)
    return TrainingJob(
        kind=kind,
        config=_config(hyperparameters.get("config"), kind, channels),
        export=_is_true(hyperparameters.get("export", True)),
        environment=environment | _distributed(host),
        words=(f"run.nodes={len(host.hosts)}",) if len(host.hosts) > 1 else (),
    )


def _value(text: Any) -> Any:
    # Every value arrives as text; the SDK makes JSON of those that were none.
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _is_true(value: Any) -> bool:
    return str(value).lower() not in ("false", "0", "no", "none")


def _channels(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {entry.name: entry for entry in sorted(folder.iterdir()) if entry.is_dir()}


def _config(name: Any, kind: Kind, channels: dict[str, Path]) -> Path:
    """The file of a configuration; without a name, the only one of the channel ``config``."""
    channel = channels.get("config")
    if name is None:
        files = sorted(channel.glob("*.y*ml")) if channel else []
        if len(files) != 1:
            raise ConfigError(
                "which configuration? Give the hyperparameter config (a path, or a name such as "
                f"{kind}/gpu), or a channel config with one YAML file"
            )
        return files[0]
    beside = Path(__file__).resolve().parents[1] / "configs"
    configs = Path(os.environ.get(CONFIGS_VARIABLE) or beside)
    places = [channel / str(name)] if channel else []
    places += [configs / f"{name}.yaml", configs / str(name), Path(str(name))]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        looked = ", ".join(map(str, places))
        raise ConfigError(f"there is no configuration {name!r}; looked for {looked}")
    return found


def _distributed(host: Host) -> dict[str, str]:
    """How processes of several machines find each other; the first one leads."""
    if len(host.hosts) == 1:
        return {}
    return {
        "MASTER_ADDR": host.hosts[0],
        "MASTER_PORT": _MASTER_PORT,
        "NODE_RANK": str(host.rank),
    }


def _first_host(job: TrainingJob) -> str:
    return str(json.loads(job.environment["SM_HOSTS"])[0])


def _run(words: Sequence[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run `faceflow-ml`, its output passed on; its exit code and the last words on stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "faceflow_ml", *words],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)  # it saves what it must and ends

    before = signal.signal(signal.SIGTERM, pass_on)
    last = ""
    try:
        assert process.stderr is not None
        for line in process.stderr:
            sys.stderr.write(line)
            # A progress bar is no reason, and often is what a killed training wrote last.
            if line.strip() and not _PROGRESS.search(line):
                last = line.strip()
        code = process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    # A process that a signal ended has a negative code; shells, and SageMaker, know 128 + n.
    return (128 - code if code < 0 else code), last


def _leave_reason(base: Path, reason: str) -> None:
    atomic_write_text(base / "output/failure", reason[:_FAILURE_CHARACTERS])
