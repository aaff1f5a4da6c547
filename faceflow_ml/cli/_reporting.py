"""What the commands that measure share: checks before the work, reports after it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from faceflow_ml.cli._common import emit_json, say
from faceflow_ml.errors import ConfigError

if TYPE_CHECKING:
    from faceflow_ml.evaluation.reports import DataUsed, Report
    from faceflow_ml.evaluation.summary import Row
    from faceflow_ml.inference.pretrained import Kind

REPORT = "report.json"


def prepare(out: Path | None, *, pictures: bool = True) -> None:
    """Make the output folder, and fail before the work if its results could not be written.

    Raises:
        ConfigError: ``out`` is a file.
        ModuleNotFoundError: pictures are wanted, and the library that draws them is missing.
        OSError: the folder cannot be made.
    """
    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file, not a folder")
    if pictures:
        from faceflow_ml.evaluation.plots import require_plots

        require_plots()
    out.mkdir(parents=True, exist_ok=True)


def make_report(
    what: str,
    started: float,
    models: Sequence[tuple[Kind, str | None, str]],
    data: Sequence[DataUsed],
    metrics: Mapping[str, Any],
) -> Report:
    """A report of what began at ``started`` (`time.monotonic`).

    models: kind, name as the user gave it, and contract id; the first is the one that is measured.
    """
    from faceflow_ml.evaluation.reports import ModelUsed, Report, environment, now

    used = tuple(ModelUsed.of(*model) for model in models)
    seconds = round(time.monotonic() - started, 3)
    return Report(what, now(), seconds, environment(), used, tuple(data), metrics)


def finish(
    report: Report,
    out: Path | None,
    json_output: bool,
    *,
    update: bool = False,
) -> None:
    """Write the report, put its numbers in the manifest, and print it, as far as wanted."""
    from faceflow_ml.evaluation.reports import plain, write_report

    if out is not None:
        write_report(out / REPORT, report)
        say(f"Report: {out / REPORT}")
    if update:
        _update(report)
    if json_output:
        emit_json(plain(report))


def tell(quiet: bool, rows: Sequence[Row]) -> None:
    """Print rows on stdout, unless JSON is printed there."""
    if not quiet:
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            typer.echo(f"{name:{width}}  {value}")


def _update(report: Report) -> None:
    from faceflow_ml.evaluation.reports import plain, update_manifest

    circumstances = {
        "measured": report.created,
        "commit": report.environment.commit,
        "data": plain(report.data),
    }
    sections = {name: {**plain(m), **circumstances} for name, m in report.metrics.items()}
    model = report.models[0]
    say(f"Metrics in {update_manifest(model.kind, model.contract_id, metrics=sections)}")
