"""The containers' entry point: ``python -m serving [embedding|detection] serve|train|process``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from faceflow_ml.cli._common import errors_to_exit_codes
from faceflow_ml.errors import SettingsError
from faceflow_ml.settings import load_settings
from serving import sagemaker
from serving.handler import KINDS, Task

TASK_VARIABLE = "FACEFLOW_SERVING_TASK"
PORT_VARIABLE = "SAGEMAKER_BIND_TO_PORT"

app = typer.Typer(
    help="Serve, train, or process photos: the containers of FaceFlow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Port = Annotated[int | None, typer.Option(help="Port to listen at.", min=1, max=65535)]
HostName = Annotated[str | None, typer.Option(help="Address to listen at.")]
ModelDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of ONNX files and manifest.json; without it the deployed or shipped weights.",
    ),
]
Folder = Annotated[Path | None, typer.Option(metavar="DIR", help="Default: as SageMaker has it.")]
Reference = Annotated[
    str | None, typer.Option(help="Folder, ONNX file or models:/ URI; the shipped one.")
]
Workers = Annotated[int | None, typer.Option(help="Photos at a time; the cores.", min=1)]
MaxSide = Annotated[
    int | None,
    typer.Option(help="Look at larger photos in this size; None: in their own.", min=1),
]


def _commands(task: Task | None) -> typer.Typer:
    """The three commands; without a task that of the environment is meant, as in an image."""
    group = typer.Typer(no_args_is_help=True, help=f"The {task} container." if task else None)

    @group.command(epilog="Example: python -m serving embedding serve --port 8080 --model-dir DIR")
    @errors_to_exit_codes()
    def serve(port: Port = None, host: HostName = None, model_dir: ModelDir = None) -> None:
        """Answer /ping and /invocations until SIGTERM."""
        raise typer.Exit(_serve(task, port, host, model_dir))

    @group.command(epilog="Example: SAGEMAKER_BASE_DIR=job python -m serving embedding train")
    @errors_to_exit_codes()
    def train() -> None:
        """Train as SageMaker asks: hyperparameters, channels and hosts under /opt/ml."""
        from serving.training import train as run

        raise typer.Exit(run(KINDS[_task(task)]))

    @group.command(epilog="Example: python -m serving process --input photos --output found")
    @errors_to_exit_codes()
    def process(
        input: Folder = None,  # noqa: A002 - the option's name
        output: Folder = None,
        previous: Folder = None,
        detector: Reference = None,
        embedder: Reference = None,
        workers: Workers = None,
        max_side: MaxSide = None,
    ) -> None:
        """Find, cut out and embed the faces of many photos; goes on where a kill ended it."""
        from serving.processing.job import Job, run

        root = sagemaker.base_dir() / "processing"
        job = Job(
            input=input or root / "input",
            output=output or root / "output",
            previous=previous or root / "previous",
            config=sagemaker.base_dir() / "config",
            detector=detector,
            embedder=embedder,
            workers=workers,
            max_side=max_side,
        )
        raise typer.Exit(run(job))

    return group


def _serve(task: Task | None, port: int | None, host: str | None, model_dir: Path | None) -> int:
    from faceflow_ml.inference.pretrained import weights_dir
    from serving.server import serve
    from serving.settings import Settings

    bound = None if port else os.environ.get(PORT_VARIABLE) or None
    given: dict[str, Any] = {"task": _task(task), "port": port or bound, "host": host}
    given["model_dir"] = model_dir or (
        None if "FACEFLOW_SERVING_MODEL_DIR" in os.environ else sagemaker.model_dir()
    )
    settings = load_settings(
        Settings,
        {"port": PORT_VARIABLE} if bound else None,
        **{name: value for name, value in given.items() if value is not None},
    )
    if settings.model_dir is None:
        weights_dir()  # refuses a variable that names no folder
    return serve(settings)


def _task(task: Task | None) -> Task:
    found = task or os.environ.get(TASK_VARIABLE, "")
    for known in KINDS:
        if known == found:
            return known
    if found:
        raise SettingsError(f"{TASK_VARIABLE} is {found!r}; it should be {' or '.join(KINDS)}")
    raise typer.BadParameter(
        f"say which model: python -m serving {'|'.join(KINDS)} ..., or set {TASK_VARIABLE}"
    )


for _name in KINDS:
    app.add_typer(_commands(_name), name=_name)
app.registered_commands += _commands(None).registered_commands


if __name__ == "__main__":
    app()
