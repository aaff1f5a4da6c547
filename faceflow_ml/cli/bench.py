"""``faceflow-ml bench``: measure this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceflow_ml.cli._common import emit_json, say
from faceflow_ml.cli._options import DATA, Detector, Embedder, Json, Page
from faceflow_ml.errors import ConfigError, FaceFlowError

PICTURES = "images"

Research = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help=f"Research photos; {DATA} by default, if there is one."
    ),
]

app = typer.Typer(add_completion=False)


@app.callback(
    invoke_without_command=True, epilog="Example: faceflow-ml bench --out docs/benchmarks.md"
)
def bench(
    context: typer.Context,
    out: Page = None,
    data: Research = None,
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
            help="What peers lack: face_detection_yunet*.onnx, models/buffalo_l, opencv4.",
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
            help="Fictional people, each in every condition, on whom failures are looked for; "
            "0 leaves it out, else at least 2.",
        ),
    ] = 32,
    photos: Annotated[
        int, typer.Option(min=2, help="Photos of the synthetic album that is timed.")
    ] = 80,
    detector: Detector = None,
    embedder: Embedder = None,
    json_output: Json = False,
) -> None:
    """Measure this machine: milliseconds a stage, photos a second, memory, and quality.

    Renders an album of fictional people and groups it, so that other work on the machine slows
    what is measured. Where research photos are, all measures of quality are taken on them and
    held to the project's bars. With --out, examples of failures (fictional people) go into the
    folder images beside FILE.
    """
    if context.invoked_subcommand is not None:
        return
    from dataclasses import replace

    from faceflow_ml.benchmark.page import render_page
    from faceflow_ml.benchmark.peer_run import PeerOptions
    from faceflow_ml.benchmark.run import DEMO_ALBUM, run_benchmark
    from faceflow_ml.evaluation.reports import plain
    from faceflow_ml.files import atomic_write_text

    data = _research(data)
    if peer_weights is not None and not peer_weights.is_dir():
        raise ConfigError(f"{peer_weights}: no such folder")
    if fictional == 1:
        raise ConfigError("--fictional: expected 0, or at least 2 people to tell apart")
    result = run_benchmark(
        data if quality else None,
        detector=detector,
        embedder=embedder,
        album=replace(DEMO_ALBUM, photos=photos),
        peers=PeerOptions(peer_weights, peer_photos) if peers else None,
        fictional_people=fictional if quality else 0,
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


@app.command(epilog="Example: faceflow-ml bench scale --out docs/benchmarks-scale.md")
def scale(
    out: Page = None,
    sizes: Annotated[
        str, typer.Option(metavar="N,N,...", help="Vectors, and hashes, to measure with.")
    ] = "10000,100000,1000000",
    data: Research = None,
    embedder: Embedder = None,
    json_output: Json = False,
) -> None:
    """Measure how grouping and de-duplication grow with the number of faces and photos.

    Each size is measured in a process of its own, with time, memory and BCubed F. Large
    sizes take long and much memory: measure small ones first, and see how they grow.
    """
    from faceflow_ml.benchmark.scale import run_scale
    from faceflow_ml.benchmark.scale_page import render_scale_page
    from faceflow_ml.evaluation.reports import plain
    from faceflow_ml.files import atomic_write_text

    try:
        counts = sorted({int(size) for size in sizes.split(",")})
    except ValueError:
        raise ConfigError(f"--sizes: expected numbers such as 10000,100000, got {sizes}") from None
    if counts[0] < 100:
        raise ConfigError(f"--sizes: expected at least 100, got {counts[0]}")
    result = run_scale(counts, _research(data), embedder=embedder, say=say)
    page = render_scale_page(result)
    if out is not None:
        atomic_write_text(out, page)
        say(f"Written: {out}")
    if json_output:
        emit_json(plain(result))
    else:
        typer.echo(page)


@app.command(
    epilog="Example: faceflow-ml bench ablations configs/ablations/detector.yaml "
    "--out docs/ablations.md"
)
def ablations(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="YAML: base, seeds, variants; configs/ablations.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Values that override the base's."),
    ] = None,
    out: Page = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Research photos, in place of those that the base names."),
    ] = None,
    train: Annotated[
        bool, typer.Option(help="Train what is not finished; else only write what is.")
    ] = True,
    json_output: Json = False,
) -> None:
    """Train variants of the detector's configuration, and measure what each change does.

    The same command goes on after a kill, and trains nothing twice. With --out, FILE is written
    anew after each training. All are recorded in MLflow, nested in one run.
    """
    from faceflow_ml.evaluation.reports import plain
    from faceflow_ml.files import atomic_write_text
    from faceflow_ml.training.ablations.page import render_ablations
    from faceflow_ml.training.ablations.run import Ablations, keep_page, run_ablations

    def write(result: Ablations) -> None:
        if out is not None:
            atomic_write_text(out, render_ablations(result))

    if data is not None and not data.is_dir():
        raise ConfigError(f"{data}: no such folder")
    result = run_ablations(file, overrides or (), data=data, train=train, on_result=write, say=say)
    write(result)
    page = render_ablations(result)
    if train:
        keep_page(result, page)
    if out is not None:
        say(f"Written: {out}")
    if json_output:
        plan, base = (part.model_dump(mode="json") for part in (result.plan, result.base))
        emit_json({**plain(result), "plan": plan, "base": base})
    else:
        typer.echo(page)
    if result.failures:
        names = ", ".join(failure.trial for failure in result.failures)
        raise FaceFlowError(f"{len(result.failures)} trainings failed: {names}")


def _research(data: Path | None) -> Path | None:
    """The folder of research photos, if any; `ConfigError` where the given one is absent."""
    if data is not None and not data.is_dir():
        raise ConfigError(f"{data}: no such folder")
    return DATA if data is None and DATA.is_dir() else data
