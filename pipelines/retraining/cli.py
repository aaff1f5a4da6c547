"""``faceflow-ml retrain`` and ``python -m pipelines.retraining``: from corrections to a new model.

Every command is a program for a Processing job too: without options it reads and writes under
``/opt/ml/processing`` (``$SAGEMAKER_BASE_DIR/processing``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceflow_ml.cli._common import emit_json, say
from faceflow_ml.errors import ConfigError
from pipelines.aws import aws_failures
from pipelines.job import base_dir, in_job
from pipelines.options import Json, Parameters, read_parameters

if TYPE_CHECKING:
    from faceflow_ml import FaceEmbedder

EXIT_POSITIVE = 3
"""With --exit-code: drifted, or skipped."""

app = typer.Typer(
    help="Retrain from corrections: training set, quality, drift, schedule.",
    no_args_is_help=True,
    add_completion=False,
)

Embedder = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name, path or models:/ URI; the shipped one by default."),
]
LeaveOut = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Users to leave out: a pseudonym a line.")
]
ExitCode = Annotated[
    bool, typer.Option("--exit-code", help="End with 3, not 0: drifted, or skipped.")
]


def _folder(what: str) -> Any:
    """An option: a folder, by default the one of that name in a Processing job."""
    return typer.Option(metavar="DIR", help=f"{what}; default: a Processing job's.")


Out = Annotated[Path | None, _folder("Where to write")]
Export = Annotated[Path | None, _folder("Export of corrections")]
Data = Annotated[Path | None, _folder("Parquet shards of aligned faces")]
TrainingSet = Annotated[Path | None, _folder("Training set of corrections")]
Baseline = Annotated[Path | None, _folder("Baseline, as `retrain baseline` keeps it")]
Current = Annotated[Path | None, _folder("Faces to compare: an export or shards")]
Previous = Annotated[Path | None, _folder("Training set of the last run")]


def _processing(kind: str, name: str, given: Path | None) -> Path:
    if given is not None:
        return given
    return base_dir() / "processing" / kind / name


def _output(name: str, given: Path | None) -> Path:
    if given is None and not in_job():
        raise ConfigError("this is no Processing job: name where to write with --out")
    return _processing("output", name, given)


def _input(name: str, given: Path | None) -> Path:
    folder = _processing("input", name, given)
    if not folder.exists():
        raise ConfigError(f"{folder} does not exist; name another with --{name}")
    return folder


def _embedder(name: str | None) -> FaceEmbedder:
    from faceflow_ml import FaceEmbedder

    return FaceEmbedder.from_pretrained(name)


def _users(file: Path | None) -> frozenset[str]:
    from pipelines.retraining.place import read_users

    return frozenset() if file is None else read_users(file)


@app.command(epilog="Example: faceflow-ml retrain corrections --export e --out set")
def corrections(
    export: Export = None,
    out: Out = None,
    embedder: Embedder = None,
    least_faces: Annotated[int, typer.Option(min=2, help="Of an identity.")] = 2,
    leave_out: LeaveOut = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split into train and val.")] = 0,
    as_json: Json = False,
) -> None:
    """Turn an export of corrections into a training set and a list of hard pairs."""
    from pipelines.retraining.training_set import build_training_set

    target = _output("training", out)
    made = build_training_set(
        _input("export", export),
        target,
        _embedder(embedder),
        least_faces=least_faces,
        leave_out=_users(leave_out),
        seed=seed,
    )
    conflicts = sum(made.conflicts.values())
    say(
        f"{made.faces['train']} faces of {made.identities['train']} people to train on, "
        f"{made.faces['val']} of {made.identities['val']} to validate; {made.hard_pairs} of "
        f"{made.pairs} pairs are hard; {conflicts} conflicts; in {target}"
    )
    if as_json:
        emit_json(made)


@app.command(epilog="Example: faceflow-ml retrain pairs --training set --embedder new/")
def pairs(
    training: TrainingSet = None,
    embedder: Embedder = None,
    split: Annotated[str | None, typer.Option(help="Only val, or only train.")] = None,
    as_json: Json = False,
) -> None:
    """Measure an embedder on the pairs of a training set."""
    from pipelines.retraining.training_set import evaluate_pairs

    metrics = evaluate_pairs(_input("training", training), _embedder(embedder), split)
    say(
        f"{metrics.pairs} pairs: accuracy {metrics.at_threshold:.3f} at the embedder's threshold, "
        f"{metrics.accuracy:.3f} at the best; AUC {metrics.auc:.3f}"
    )
    if as_json:
        emit_json(metrics)


@app.command(epilog="Example: faceflow-ml retrain quality --data set --out report")
def quality(
    data: Data = None,
    out: Out = None,
    embedder: Embedder = None,
    least_faces: Annotated[int, typer.Option(min=1, help="An identity with fewer is listed.")] = 3,
    as_json: Json = False,
) -> None:
    """Report on labelled faces: counts, blur, size, duplicates, labels in doubt."""
    from pipelines.retraining.quality import QualityLimits
    from pipelines.retraining.quality_report import REPORT, write_quality_report

    target = _output("quality", out)
    limits = QualityLimits(least_faces=least_faces)
    found = write_quality_report(_input("data", data), target, _embedder(embedder), limits)
    say(f"Report: {target / REPORT}")
    if as_json:
        emit_json(found.summary())


@app.command(epilog="Example: faceflow-ml retrain baseline --data train/ --out baseline")
def baseline(data: Data = None, out: Out = None, embedder: Embedder = None) -> None:
    """Keep how the training data look, to tell drift by."""
    from pipelines.retraining.drift.report import write_baseline

    target = _output("baseline", out)
    say(f"Baseline: {write_baseline(_input('data', data), target, _embedder(embedder))}")


@app.command(epilog="Example: faceflow-ml retrain drift --baseline b --current new")
def drift(
    baseline: Baseline = None,
    current: Current = None,
    out: Out = None,
    embedder: Embedder = None,
    leave_out: LeaveOut = None,
    false_alarms: Annotated[float, typer.Option(help="How often by chance alone.")] = 0.05,
    samples: Annotated[int, typer.Option(min=20, help="Of the bootstrap.")] = 200,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Have faces drifted from the baseline? drift.json says so, report.html shows it."""
    from pipelines.retraining.drift.compare import DriftConfig
    from pipelines.retraining.drift.report import REPORT, document, run_drift, verdict

    if not 0 < false_alarms < 0.5:
        raise ConfigError("--false-alarms must be between 0 and 0.5")
    config = DriftConfig(false_alarms=false_alarms, samples=samples)
    target = _output("drift", out)
    found = run_drift(
        _input("baseline", baseline),
        _input("current", current),
        target,
        _embedder(embedder),
        config,
        leave_out=_users(leave_out),
    )
    say(f"{verdict(found)} Report: {target / REPORT}")
    if as_json:
        emit_json(document(found, config))
    if exit_code and found.drifted:
        raise typer.Exit(EXIT_POSITIVE)


@app.command(epilog="Example: faceflow-ml retrain simulate --people 40 --out runs/sim")
def simulate(
    out: Out = None,
    embedder: Embedder = None,
    people: Annotated[int, typer.Option(min=2)] = 50,
    photos: Annotated[int, typer.Option(min=1)] = 150,
    new_photos: Annotated[int, typer.Option(min=1)] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="Albums.")] = 5,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a Markdown page here; without --out nothing else."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Simulate how many edits of new photos corrections save, on fictional people."""
    from pipelines.retraining.simulation import SimulationSpec
    from pipelines.retraining.simulation import simulate as run
    from pipelines.retraining.simulation_report import PLOT, draw_curve, write_json, write_page

    spec = SimulationSpec(
        people=people, photos=photos, new_photos=new_photos, seeds=tuple(range(seeds))
    )
    target = page.parent if page is not None and out is None else _output("simulation", out)
    curve = run(spec, _embedder(embedder))
    if page is not None:
        write_page(curve, page, page.parent / "images" / PLOT)
    if page is None or out is not None:
        write_json(curve, target / "simulation.json")
        draw_curve(curve, target / PLOT)
    say(f"{spec.corrections[-1]} corrections save {curve.fall:.0%} of the edits; in {target}")
    if as_json:
        emit_json(curve)


@app.command(epilog="Example: faceflow-ml retrain gate --export e --previous set")
def gate(
    export: Export = None,
    previous: Previous = None,
    out: Out = None,
    needed: Annotated[int, typer.Option(min=1, help="New corrections to go on with.")] = 200,
    leave_out: LeaveOut = None,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Is there enough new to retrain on? gate.json says train 1 or 0, and why."""
    from pipelines.retraining.gate import check_gate, write_gate

    target = _output("gate", out)
    last = _processing("input", "previous", previous)
    found = check_gate(
        _input("export", export),
        needed=needed,
        previous=last if previous is not None or last.exists() else None,
        leave_out=_users(leave_out),
    )
    write_gate(found, target)
    say(found.reason)
    if as_json:
        emit_json(found)
    if exit_code and not found.train:
        raise typer.Exit(EXIT_POSITIVE)


@app.command(epilog="Example: faceflow-ml retrain schedule --pipeline-arn ARN --role-arn ARN")
def schedule(
    pipeline_arn: Annotated[str, typer.Option(help="The pipeline to start.")] = "",
    role_arn: Annotated[str, typer.Option(help="Role that may start it.")] = "",
    name: str = "faceflow-retrain-weekly",
    group: str = "default",
    expression: Annotated[
        str, typer.Option(help="cron(...) or rate(...).")
    ] = "cron(0 3 ? * MON *)",
    timezone: str = "UTC",
    parameter: Parameters = None,
    dead_letter_arn: str | None = None,
    disable: Annotated[bool, typer.Option("--disable", help="Keep it, but start nothing.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the schedule.")] = False,
    as_json: Json = False,
) -> None:
    """Create or update the weekly schedule on EventBridge Scheduler; may be repeated."""
    import boto3
    from pydantic import ValidationError

    from pipelines.retraining.schedule import Schedule, remove_schedule, upsert_schedule

    wanted = None
    if not remove:
        try:
            wanted = Schedule(
                name=name,
                group=group,
                pipeline_arn=pipeline_arn,
                role_arn=role_arn,
                expression=expression,
                timezone=timezone,
                parameters=read_parameters(parameter),
                dead_letter_arn=dead_letter_arn,
                enabled=not disable,
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    outcome: str
    with aws_failures():
        client = boto3.client("scheduler")
        if wanted is not None:
            outcome = upsert_schedule(client, wanted)
        else:
            outcome = "removed" if remove_schedule(client, name, group) else "absent"
    say(f"{name}: {outcome}")
    if as_json:
        emit_json({"name": name, "outcome": outcome})
