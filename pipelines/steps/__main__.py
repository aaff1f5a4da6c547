"""Entry point of the processing jobs, in a container or as a process on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceflow_ml.cli._common import say
from faceflow_ml.errors import ConfigError
from faceflow_ml.inference.pretrained import Kind
from pipelines.job import leave_message, run_commands

app = typer.Typer(help="Jobs of the pipeline.", no_args_is_help=True, add_completion=False)

Folder = Annotated[Path, typer.Option(metavar="DIR")]
Fingerprint = Annotated[str, typer.Option(help="Of the corrections that the gate saw.")]
LeastFaces = Annotated[int, typer.Option(min=2, help="Of an identity.")]
KindArgument = Annotated[str, typer.Argument(metavar="detector|embedder")]


@app.command()
def champions(
    group: Annotated[list[str], typer.Option(metavar="KIND=GROUP")],
    shipped: Annotated[str, typer.Option(help="S3 prefix of the models of this image.")],
    out: Folder,
    shipped_out: Folder,
) -> None:
    """Who the champions are: champions.json with the place of each one's model."""
    from pipelines.steps.champions import find_champions

    groups: dict[Kind, str] = {}
    for word in group:
        kind, _, name = word.partition("=")
        groups[_kind(kind)] = name
    find_champions(groups, shipped, out, shipped_out)


@app.command()
def prepare(
    out: Folder,
    data: Annotated[Path | None, typer.Option(metavar="DIR")] = None,
    photos: Annotated[int, typer.Option(min=1)] = 8,
    people: Annotated[int, typer.Option(min=2)] = 6,
    faces: Annotated[int, typer.Option(min=2)] = 6,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Check the data and lay out what is trained and measured on; without data, render people."""
    from pipelines.steps.prepare import prepare_data, render_data

    if data is not None:
        prepare_data(data, out)
    else:
        render_data(out, photos=photos, people=people, faces=faces, seed=seed)


@app.command()
def evaluate(
    kind: KindArgument, model: Folder, champion: Folder, data: Folder, report: Folder, out: Folder
) -> None:
    """Measure a trained model, and its champion on the same data: evaluation.json."""
    from pipelines.steps.evaluate import evaluate_model

    evaluate_model(_kind(kind), model, champion, data, report, out)


@app.command()
def gate(
    corrections: Folder,
    out: Folder,
    needed: Annotated[int, typer.Option(min=0, help="New corrections to go on with.")],
) -> None:
    """Are there enough new corrections to retrain on? gate.json says train 1 or 0, and why."""
    from pipelines.steps.corrections import check_corrections

    check_corrections(corrections, out, needed=needed)


@app.command()
def skip(reason: Annotated[str, typer.Option(help="Why nothing is trained.")]) -> None:
    """End without training, and say why: a success whose exit message is the reason."""
    leave_message(reason)
    say(reason)


@app.command()
def mix(
    corrections: Folder,
    data: Folder,
    champion: Folder,
    out: Folder,
    fingerprint: Fingerprint,
    least_faces: LeastFaces = 2,
) -> None:
    """Put corrected faces before the data's: what the embedder is trained on."""
    from pipelines.steps.corrections import mix_corrections

    mix_corrections(
        corrections, data, champion, out, fingerprint=fingerprint, least_faces=least_faces
    )


@app.command()
def report(
    corrections: Folder,
    data: Folder,
    champion: Folder,
    out: Folder,
    fingerprint: Fingerprint,
    least_faces: LeastFaces = 2,
) -> None:
    """Report on corrected faces: their quality, and their drift from the training data."""
    from pipelines.steps.corrections import report_corrections

    report_corrections(
        corrections, data, champion, out, fingerprint=fingerprint, least_faces=least_faces
    )


@app.command()
def remember(report: Folder, out: Folder) -> None:
    """Keep which corrections were learned from: the next gate counts what is new by it."""
    from pipelines.steps.corrections import remember_corrections

    remember_corrections(report, out)


def _kind(text: str) -> Kind:
    if text == "detector":
        return "detector"
    if text == "embedder":
        return "embedder"
    raise ConfigError(f"expected detector or embedder, got {text!r}")


if __name__ == "__main__":
    run_commands(app, "python -m pipelines.steps")
