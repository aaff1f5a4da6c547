"""``faceflow-ml evaluate grouping``: ways to group, compared on the same vectors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from faceflow_ml.cli._common import progress, say
from faceflow_ml.cli._options import DATA, Embedder, Json, People, ReportFolder, Threads
from faceflow_ml.cli._reporting import finish, make_report, prepare, tell
from faceflow_ml.errors import ConfigError


def grouping(
    identities: People = DATA / "identities",
    embedder: Embedder = None,
    synthetic: Annotated[bool, typer.Option(help="Group albums of fictional people too.")] = True,
    threads: Threads = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results as Markdown here.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the reliability diagram as PNG here.")
    ] = None,
    out: ReportFolder = None,
    json_output: Json = False,
) -> None:
    """Ways to group on piles of labelled faces, and how true the confidence of groups is.

    Each way is tuned on piles of one half of the people and checked on the other. The album and
    the pairs of photos, which measure the product, take no part.
    """
    import os

    from faceflow_ml.benchmark.grouping import compare_groupings
    from faceflow_ml.benchmark.grouping_data import SYNTHETIC_ALBUMS, embed_synthetic_album
    from faceflow_ml.benchmark.grouping_page import render_grouping_page
    from faceflow_ml.clustering.batch import THRESHOLD
    from faceflow_ml.evaluation.data_used import samples_used
    from faceflow_ml.evaluation.grouping_confidence import measure_confidence
    from faceflow_ml.evaluation.photo_sources import read_aligned_faces
    from faceflow_ml.evaluation.plots import plot_reliability, require_plots
    from faceflow_ml.evaluation.run_verification import run_identities
    from faceflow_ml.files import atomic_write_text
    from faceflow_ml.inference.aligner import FaceAligner
    from faceflow_ml.inference.embedder import FaceEmbedder

    prepare(out, pictures=False)
    if picture is not None:
        require_plots()
    started = time.monotonic()
    model = FaceEmbedder.from_pretrained(embedder, threads=threads)
    aligner = FaceAligner.default(threads=threads)
    people = read_aligned_faces(identities)
    with progress("Faces", len(people)) as bar:
        faces = run_identities(model, people, aligner=aligner, on_done=bar.advance)
    albums = []
    for spec in SYNTHETIC_ALBUMS if synthetic else ():
        say(f"Rendering {spec.photos} photos of {spec.people} fictional people")
        albums.append(embed_synthetic_album(model, spec))
    try:
        comparison = compare_groupings(faces.vectors, faces.labels, synthetic=albums, say=say)
    except ValueError as error:
        raise ConfigError(f"{identities}: {error}") from None
    threshold = THRESHOLD if model.match_threshold is None else model.match_threshold
    say("Grouping piles: confidence")
    confidence = measure_confidence(faces.vectors, faces.labels, threshold)
    report = make_report(
        "grouping",
        started,
        [("embedder", embedder, model.contract_id)],
        [samples_used(identities, people)],
        {"comparison": comparison, "confidence": confidence},
    )
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        curves = {"groups": confidence.groups, "faces": confidence.members}
        plot_reliability(picture, curves)
        say(f"Written: {picture}")
    if page is not None:
        shown = None if picture is None else os.path.relpath(picture, page.parent)
        text = render_grouping_page(
            comparison,
            confidence,
            created=report.created,
            environment=report.environment,
            models=report.models,
            data=report.data,
            picture=shown,
        )
        atomic_write_text(page, text)
        say(f"Written: {page}")
    finish(report, out, json_output)
    rows = [
        (r.name, f"BCubed F {r.bcubed_f1.mean:.4f}, gain {r.gain:+.4f} ± {r.gain_error:.4f}")
        for r in comparison.results
    ]
    tell(json_output, rows)
