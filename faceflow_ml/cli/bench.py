"""``faceflow-ml bench``: measure this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceflow_ml.cli._common import emit_json, say

DATA = Path("../shared/data")
MODEL_HELP = "A name, an .onnx file or models:/name@alias; the shipped one by default."


def bench(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the results as Markdown here."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Research photos to measure quality on; ../shared/data where it is there.",
        ),
    ] = None,
    quality: Annotated[
        bool,
        typer.Option(help="Measure quality on research photos; minutes instead of seconds."),
    ] = True,
    peers: Annotated[
        bool,
        typer.Option(
            help="Measure other people's detectors and recognisers too, where installed; they take "
            "longer than all the rest."
        ),
    ] = True,
    peer_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Weights that peers' packages lack: face_detection_yunet*.onnx, models/buffalo_l.",
        ),
    ] = None,
    peer_photos: Annotated[
        int | None,
        typer.Option(min=1, help="Photos that detectors are compared on; all by default."),
    ] = None,
    photos: Annotated[
        int, typer.Option(min=2, help="Photos of the synthetic album that is timed.")
    ] = 80,
    detector: Annotated[str | None, typer.Option(metavar="MODEL", help=MODEL_HELP)] = None,
    embedder: Annotated[str | None, typer.Option(metavar="MODEL", help=MODEL_HELP)] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the results as one JSON document on stdout.")
    ] = False,
) -> None:
    """Measure this machine: milliseconds a stage, photos a second, memory, and quality.

    Renders an album of fictional people and groups it, so that other work on the machine slows
    what is measured. Where research photos are, all measures of quality are taken on them and
    held to the project's bars.

    Example: faceflow-ml bench --out docs/benchmarks.md
    """
    from dataclasses import replace

    from faceflow_ml.benchmark.page import render_page
    from faceflow_ml.benchmark.peer_run import PeerOptions
    from faceflow_ml.benchmark.run import DEMO_ALBUM, run_benchmark
    from faceflow_ml.errors import ConfigError
    from faceflow_ml.evaluation.reports import plain
    from faceflow_ml.files import atomic_write_text

    if data is not None and not data.is_dir():
        raise ConfigError(f"{data}: no such folder")
    if peer_weights is not None and not peer_weights.is_dir():
        raise ConfigError(f"{peer_weights}: no such folder")
    if data is None and DATA.is_dir():
        data = DATA
    result = run_benchmark(
        data if quality else None,
        detector=detector,
        embedder=embedder,
        album=replace(DEMO_ALBUM, photos=photos),
        peers=PeerOptions(peer_weights, peer_photos) if peers else None,
        say=say,
    )
    page = render_page(result)
    if out is not None:
        atomic_write_text(out, page)
        say(f"Written: {out}")
    if json_output:
        bars = [{**plain(bar), "met": bar.met} for bar in result.bars]
        emit_json({**plain(result), "bars": bars})
    else:
        typer.echo(page)
