"""``faceflow-ml group``: everyone in a folder of photos."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from faceflow_ml.cli._common import emit_json, progress, say
from faceflow_ml.cli._options import Detector, Embedder, MinScore

if TYPE_CHECKING:
    from faceflow_ml.album.group import GroupResult

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: faceflow-ml group ~/Photos --out people")
def group(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Photos, in sub-folders too.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the result goes.")],
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the content of groups.json on stdout.")
    ] = False,
    detector: Detector = None,
    embedder: Embedder = None,
    min_score: MinScore = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=-1,
            max=1,
            help="Cosine similarity of two faces of one person; the embedder's own by default. "
            "Higher: more, purer groups.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Photos in work at a time; one a core by default.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where results are kept between runs; .cache in --out by default."
        ),
    ] = None,
) -> None:
    """Find, group and show everyone in a folder of photos.

    Writes DIR/index.html, a gallery to open in any browser, DIR/groups.json and DIR/crops/. What
    is computed is kept: a second run redoes nothing, an added photo costs one photo, and a run
    that was stopped goes on where it was. Photos that cannot be read are reported, and the run
    goes on.
    """
    from faceflow_ml.album.group import GroupOptions, group_album
    from faceflow_ml.inference.pipeline import FacePipeline

    options = GroupOptions(
        score_threshold=min_score, match_threshold=threshold, workers=workers, cache=cache
    )
    # Grouping is the last step; what it needs is loaded while models and photos are.
    Thread(target=import_module, args=("faceflow_ml.album.people",), daemon=True).start()
    # One thread a model: the workers, each with a photo of its own, keep all cores busy.
    engine = FacePipeline.from_pretrained(detector=detector, embedder=embedder, threads=1)
    started = time.monotonic()
    with progress("Photos") as bar:
        result = group_album(folder, out, engine, options, on_progress=bar.update, on_notice=say)
    if json_output:
        emit_json(result.groups)
    _report(result, time.monotonic() - started)


def _report(result: GroupResult, seconds: float) -> None:
    groups = result.groups
    if not groups.photos:
        say("No photos in this folder.")
    unreadable = sum(photo.error is not None for photo in groups.photos)
    faces = [face for photo in groups.photos for face in photo.faces]
    loose = sum(face.person is None for face in faces)
    dropped = sum(len(group.drop) for group in groups.duplicates)
    say(
        f"{_count(len(groups.people), 'person', 'people')} and {_count(len(faces), 'face')} "
        f"({loose} in no group) in {_count(len(groups.photos), 'photo')}; "
        f"{_count(dropped, 'duplicate')}; {unreadable} unreadable."
    )
    say(f"{_count(result.computed, 'photo')} analysed in {seconds:.1f} s, the rest known before.")
    for path, reason in result.skipped:
        say(f"Passed over {path}: {reason}")
    say(f"Gallery: {result.index_html}")


def _count(n: int, one: str, many: str | None = None) -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"
