"""The containers' entry point: ``python -m serving [embedding|detection] serve|train|process``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from faceflow_ml.errors import ConfigError, FaceFlowError
from serving import sagemaker
from serving.handler import KINDS, Task

TASK_VARIABLE = "FACEFLOW_SERVING_TASK"

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
    def serve(port: Port = None, host: HostName = None, model_dir: ModelDir = None) -> None:
        """Answer /ping and /invocations until SIGTERM."""
        raise typer.Exit(_serve(task, port, host, model_dir))

    @group.command(epilog="Example: SAGEMAKER_BASE_DIR=job python -m serving embedding train")
    def train() -> None:
        """Train as SageMaker asks: hyperparameters, channels and hosts under /opt/ml."""
        from serving.training import train as run

        raise typer.Exit(_failing(lambda: run(KINDS[_task(task)])))

    @group.command(epilog="Example: python -m serving process --input photos --output found")
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
        raise typer.Exit(_failing(lambda: run(job)))

    return group


def _serve(task: Task | None, port: int | None, host: str | None, model_dir: Path | None) -> int:
    from serving.server import serve
    from serving.settings import Settings

    given: dict[str, Any] = {
        "task": _task(task),
        "port": port or os.environ.get("SAGEMAKER_BIND_TO_PORT"),
        "host": host,
    }
    given["model_dir"] = model_dir or (
        None if "FACEFLOW_SERVING_MODEL_DIR" in os.environ else sagemaker.model_dir()
    )
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "settings"
        typer.echo(f"error: {place}: {first['msg']}", err=True)
        return 2
    return serve(settings)


def _task(task: Task | None) -> Task:
    found = task or os.environ.get(TASK_VARIABLE, "")
    for known in KINDS:
        if known == found:
            return known
    raise typer.BadParameter(
        f"say which model: python -m serving {'|'.join(KINDS)} ..., or set {TASK_VARIABLE}"
    )


def _failing(work: Callable[[], int]) -> int:
    """The exit code of a job: its own, 2 for bad configuration, 1 for other failures."""
    try:
        return work()
    except ConfigError as error:
        typer.echo(f"error: {error}", err=True)
        return 2
    except FaceFlowError as error:
        typer.echo(f"error: {error}", err=True)
        return 1


for _name in KINDS:
    app.add_typer(_commands(_name), name=_name)
app.registered_commands += _commands(None).registered_commands


if __name__ == "__main__":
    app()
