"""``faceflow-ml bench``: measure this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceflow_ml.cli._common import emit_json, say

DATA = Path("../shared/data")
PICTURES = "images"
MODEL_HELP = "A name, an .onnx file or models:/name@alias; the shipped one by default."

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
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
        typer.Option(help="Measure quality, and look for failures; minutes instead of seconds."),
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
    fictional: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Fictional people, in 16 conditions each, on whom failures are looked for; "
            "0 leaves it out.",
        ),
    ] = 32,
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
    held to the project's bars. With --out, examples of failures (fictional people) go into the
    folder images beside FILE.

    Example: faceflow-ml bench --out docs/benchmarks.md
    """
    if context.invoked_subcommand is not None:
        return
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
        fictional_people=max(2, fictional) if quality and fictional else 0,
        pictures=None if out is None else out.parent / PICTURES,
        say=say,
    )
    page = render_page(result, pictures=None if out is None else PICTURES)
    if out is not None:
        atomic_write_text(out, page)
        say(f"Written: {out}")
    if json_output:
        bars = [{**plain(bar), "met": bar.met} for bar in result.bars]
        emit_json({**plain(result), "bars": bars})
    else:
        typer.echo(page)


@app.command()
def scale(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the results as Markdown here."),
    ] = None,
    sizes: Annotated[
        str, typer.Option(metavar="N,N,...", help="Vectors, and hashes, to measure with.")
    ] = "10000,100000,1000000",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Research photos, for real faces; ../shared/data where it is."
        ),
    ] = None,
    embedder: Annotated[str | None, typer.Option(metavar="MODEL", help=MODEL_HELP)] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the results as one JSON document on stdout.")
    ] = False,
) -> None:
    """Measure how grouping and de-duplication grow with the number of faces and photos.

    Each size is measured in a process of its own, with time, memory and BCubed F. A million
    vectors need about 8 GB and several minutes.

    Example: faceflow-ml bench scale --out docs/benchmarks-scale.md
    """
    from faceflow_ml.benchmark.scale import run_scale
    from faceflow_ml.benchmark.scale_page import render_scale_page
    from faceflow_ml.errors import ConfigError
    from faceflow_ml.evaluation.reports import plain
    from faceflow_ml.files import atomic_write_text

    try:
        counts = sorted({int(size) for size in sizes.split(",")})
    except ValueError:
        raise ConfigError(f"--sizes: expected numbers such as 10000,100000, got {sizes}") from None
    if counts[0] < 100:
        raise ConfigError(f"--sizes: expected at least 100, got {counts[0]}")
    if data is not None and not data.is_dir():
        raise ConfigError(f"{data}: no such folder")
    if data is None and DATA.is_dir():
        data = DATA
    result = run_scale(counts, data, embedder=embedder, say=say)
    page = render_scale_page(result)
    if out is not None:
        atomic_write_text(out, page)
        say(f"Written: {out}")
    if json_output:
        emit_json(plain(result))
    else:
        typer.echo(page)
