"""Processing and training jobs as processes, with SageMaker's folders, files and variables.

A job's ``/opt/ml`` is a folder. A process cannot be made to see it under that name, so that the
prefix is replaced in its arguments and environment, and ``SAGEMAKER_BASE_DIR`` names the folder.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.pretrained import WEIGHTS_VARIABLE
from pipelines.archives import MODEL_ARCHIVE, pack
from pipelines.local.objects import LocalStore
from pipelines.local.process import Outcome, run_program
from pipelines.programs import command_line

BASE = "/opt/ml"
_HOST = "algo-1"
_DEFAULT_SECONDS = 24 * 3600.0
_ARN = "arn:aws:sagemaker:local:000000000000"


@dataclass(frozen=True)
class Machine:
    """What jobs run with.

    images: commands that stand for images, by a part of the image's URI. environment: variables of
    this machine, which win over those of the definition (an MLflow store that is reached from
    here). code: what an image's digest is to an image; other code does not go on with checkpoints.
    """

    store: LocalStore
    images: Mapping[str, list[str]]
    environment: Mapping[str, str]
    code: str


@dataclass(frozen=True)
class Job:
    """A job of a step: its name, the folder that it runs in, and where its output is written.

    The folder is the same in every execution, as /opt/ml is in every container: paths are part of
    a training run's configuration, which must not change when it goes on.
    """

    name: str
    folder: Path
    log: Path

    @property
    def base(self) -> Path:
        """The folder that stands for /opt/ml."""
        return self.folder / "opt" / "ml"

    def inside(self, path: str) -> Path:
        """Where a path below /opt/ml lies; ConfigError for any other."""
        if path != BASE and not path.startswith(BASE + "/"):
            raise ConfigError(f"expected a path below {BASE}, got {path}")
        return self.base / path.removeprefix(BASE).lstrip("/")

    def translate(self, text: str) -> str:
        """A word of a command line or environment, with /opt/ml replaced."""
        return text.replace(BASE, str(self.base))


def run_processing(
    job: Job, request: Mapping[str, Any], machine: Machine, stop: threading.Event
) -> dict[str, Any]:
    """Run a CreateProcessingJob request; returns what DescribeProcessingJob would tell.

    Raises:
        FaceFlowError: an input is missing, or the program failed; the reason is its own.
        ConfigError: the request asks for what one machine cannot do.
    """
    _one_instance(request["ProcessingResources"]["ClusterConfig"]["InstanceCount"])
    _afresh(job)
    for item in request.get("ProcessingInputs", []):
        source = item["S3Input"]
        machine.store.download(source["S3Uri"], job.inside(source["LocalPath"]))
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    for item in outputs:
        job.inside(item["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
    _write(job.base / "config/processingjobconfig.json", request)
    _write(job.base / "config/resourceconfig.json", {"current_host": _HOST, "hosts": [_HOST]})
    application = request["AppSpecification"]
    command = application.get("ContainerEntrypoint") or _image(application["ImageUri"], machine)
    outcome = _run(
        job, [*command, *application.get("ContainerArguments", [])], request, machine, stop
    )
    said = _message(job.base / "output/message")
    if outcome.code:
        raise FaceFlowError(said or _exit(outcome))
    for item in outputs:
        target = item["S3Output"]
        machine.store.upload(job.inside(target["LocalPath"]), target["S3Uri"])
    return {
        **request,
        "ProcessingJobName": job.name,
        "ProcessingJobArn": f"{_ARN}:processing-job/{job.name}",
        "ProcessingJobStatus": "Completed",
        "ExitMessage": said,
        # Definitions refer to inputs and outputs by name.
        "ProcessingInputs": {i["InputName"]: i for i in request.get("ProcessingInputs", [])},
        "ProcessingOutputConfig": {"Outputs": {o["OutputName"]: o for o in outputs}},
    }


def run_training(
    job: Job, request: Mapping[str, Any], machine: Machine, stop: threading.Event
) -> dict[str, Any]:
    """Run a CreateTrainingJob request; returns what DescribeTrainingJob would tell.

    /opt/ml/checkpoints is the checkpoints' place in the store itself, so that what was saved
    before a kill is there afterwards.

    Raises:
        FaceFlowError: a channel is missing, or the program failed; the reason is its own.
        ConfigError: the request asks for what one machine cannot do.
    """
    _one_instance(request["ResourceConfig"]["InstanceCount"])
    _afresh(job)
    channels = request.get("InputDataConfig", [])
    for channel in channels:
        folder = job.base / "input/data" / channel["ChannelName"]
        machine.store.download(channel["DataSource"]["S3DataSource"]["S3Uri"], folder)
    for name in ("model", "output/data"):
        (job.base / name).mkdir(parents=True)
    checkpoints = request.get("CheckpointConfig")
    if checkpoints:
        kept = machine.store.path(checkpoints["S3Uri"]) / machine.code
        kept.mkdir(parents=True, exist_ok=True)
        local = job.inside(checkpoints.get("LocalPath", f"{BASE}/checkpoints"))
        local.parent.mkdir(parents=True, exist_ok=True)
        local.symlink_to(kept.resolve(), target_is_directory=True)
    config = job.base / "input/config"
    _write(config / "hyperparameters.json", request.get("HyperParameters", {}))
    _write(
        config / "inputdataconfig.json",
        {c["ChannelName"]: {"TrainingInputMode": c.get("InputMode", "File")} for c in channels},
    )
    hosts = {"current_host": _HOST, "hosts": [_HOST], "network_interface_name": "lo"}
    _write(config / "resourceconfig.json", hosts)
    command = _image(request["AlgorithmSpecification"]["TrainingImage"], machine)
    named = {"TRAINING_JOB_NAME": job.name}
    outcome = _run(job, [*command, "train"], request, machine, stop, named)
    if outcome.code:
        raise FaceFlowError(_message(job.base / "output/failure") or _exit(outcome))
    output = f"{request['OutputDataConfig']['S3OutputPath']}/{job.name}/output"
    archive = job.folder / MODEL_ARCHIVE
    pack(job.base / "model", archive)
    machine.store.upload(archive, f"{output}/{MODEL_ARCHIVE}")
    archive.unlink()
    if any((job.base / "output/data").iterdir()):
        machine.store.upload(job.base / "output/data", f"{output}/data")
    return {
        **request,
        "TrainingJobName": job.name,
        "TrainingJobArn": f"{_ARN}:training-job/{job.name}",
        "TrainingJobStatus": "Completed",
        "ModelArtifacts": {"S3ModelArtifacts": f"{output}/{MODEL_ARCHIVE}"},
    }


def _run(
    job: Job,
    command: list[str],
    request: Mapping[str, Any],
    machine: Machine,
    stop: threading.Event,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    # An image has the weights that it ships with, whatever is deployed on this machine.
    inherited = {name: value for name, value in os.environ.items() if name != WEIGHTS_VARIABLE}
    environment = {
        **inherited,
        **{name: job.translate(value) for name, value in request.get("Environment", {}).items()},
        "SAGEMAKER_BASE_DIR": str(job.base),
        **(variables or {}),
        **machine.environment,
    }
    words = command_line([job.translate(word) for word in command])
    limit = request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DEFAULT_SECONDS)
    return run_program(
        words, job.folder, environment=environment, log=job.log, seconds=limit, stop=stop
    )


def _afresh(job: Job) -> None:
    """Every attempt begins with an empty /opt/ml, as in a new container."""
    shutil.rmtree(job.folder / "opt", ignore_errors=True)
    job.base.mkdir(parents=True)


def _image(uri: str, machine: Machine) -> list[str]:
    for part, command in machine.images.items():
        if part in uri:
            return list(command)
    known = ", ".join(machine.images) or "none"
    raise ConfigError(f"no command stands for the image {uri}; local.images has: {known}")


def _one_instance(count: int) -> None:
    if count != 1:
        raise ConfigError(f"{count} instances on one machine: give an instance count of 1")


def _message(file: Path) -> str:
    """What the program left to say, where SageMaker looks for it; empty if it did not."""
    return file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""


def _exit(outcome: Outcome) -> str:
    return f"exit code {outcome.code}: {outcome.last_line}"


def _write(file: Path, content: Any) -> None:
    atomic_write_text(file, json.dumps(content, indent=2) + "\n")
