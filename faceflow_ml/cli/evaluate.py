"""``faceflow-ml evaluate``: measure a detector, an aligner, an embedder or a grouping."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceflow_ml.cli._common import progress, say
from faceflow_ml.cli._options import (
    DATA,
    MODEL_HELP,
    Detector,
    Embedder,
    Json,
    People,
    ReportFolder,
    Threads,
)
from faceflow_ml.cli._reporting import finish, make_report, prepare, tell
from faceflow_ml.cli.evaluate_grouping import grouping
from faceflow_ml.errors import ConfigError

if TYPE_CHECKING:
    from faceflow_ml.evaluation.reports import DataUsed
    from faceflow_ml.evaluation.summary import Row
    from faceflow_ml.inference.pretrained import Kind

app = typer.Typer(
    help="Measure a detector, an aligner, an embedder or a grouping.", no_args_is_help=True
)
app.command(epilog="Example: faceflow-ml evaluate grouping --page docs/grouping.md")(grouping)

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Write report.json and pictures here."),
]
Update = Annotated[
    bool, typer.Option("--update-manifest", help="Write the numbers into the weights' manifest.")
]
Faces = Annotated[
    Path,
    typer.Option(metavar="PATH", help="Labelled photos: Parquet, COCO, WIDER FACE, VOC, an album."),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Take only so many photos or faces; for a quick look.")
]


@app.command(
    epilog="Example: faceflow-ml evaluate detector --data ../shared/data/detection/val.parquet"
)
def detector(
    data: Faces = DATA / "detection",
    weights: Annotated[
        str | None,
        typer.Option("--weights", "--detector", metavar="MODEL", help=MODEL_HELP),
    ] = None,
    out: Out = None,
    update_manifest: Update = False,
    threads: Threads = None,
    limit: Limit = None,
    json_output: Json = False,
) -> None:
    """Average precision, recall at false positives and landmark error on labelled photos."""
    from faceflow_ml.evaluation.data_used import samples_used
    from faceflow_ml.evaluation.photo_sources import read_labelled_photos
    from faceflow_ml.evaluation.run_detection import run_detector
    from faceflow_ml.evaluation.summary import detector_rows
    from faceflow_ml.inference.detector import FaceDetector

    prepare(out)
    started = time.monotonic()
    model = FaceDetector.from_pretrained(weights, threads=threads)
    samples = read_labelled_photos(data)[:limit]
    with progress("Photos", len(samples)) as bar:
        run = run_detector(model, samples, on_done=bar.advance)
    report = make_report(
        "detector",
        started,
        [("detector", weights, model.contract_id)],
        [samples_used(data, samples)],
        {"detection": run.metrics},
    )
    if out is not None:
        from faceflow_ml.evaluation.figures import draw_detector

        draw_detector(out, run)
    finish(report, out, json_output, update=update_manifest)
    tell(json_output, detector_rows(run.metrics))


@app.command(epilog="Example: faceflow-ml evaluate aligner --identities people/")
def aligner(
    identities: People = DATA / "identities",
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="MODEL", help=MODEL_HELP)
    ] = None,
    out: ReportFolder = None,
    update_manifest: Update = False,
    threads: Threads = None,
    limit: Limit = None,
    json_output: Json = False,
) -> None:
    """How well faces are put onto the template, from landmarks that are wrong by known amounts."""
    from faceflow_ml.evaluation.data_used import samples_used
    from faceflow_ml.evaluation.photo_sources import read_aligned_faces
    from faceflow_ml.evaluation.run_alignment import run_alignment
    from faceflow_ml.evaluation.summary import aligner_rows
    from faceflow_ml.inference.aligner import FaceAligner

    prepare(out, pictures=False)
    started = time.monotonic()
    model = FaceAligner.from_pretrained(weights, threads=threads)
    samples = read_aligned_faces(identities)[:limit]
    with progress("Faces", len(samples)) as bar:
        metrics = run_alignment(model, samples, on_done=bar.advance)
    report = make_report(
        "aligner",
        started,
        [("aligner", weights, model.contract_id)],
        [samples_used(identities, samples)],
        {"alignment": metrics},
    )
    finish(report, out, json_output, update=update_manifest)
    tell(json_output, aligner_rows(metrics))


@app.command(epilog="Example: faceflow-ml evaluate embedder --identities people/ --json")
def embedder(
    pairs: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Pairs of photos: columns a, b, same.")
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Their photos: Parquet, or a folder."),
    ] = None,
    identities: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Aligned faces: Parquet, or a folder with one a person."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", "--embedder", metavar="MODEL", help=MODEL_HELP),
    ] = None,
    detector: Detector = None,
    out: Out = None,
    update_manifest: Update = False,
    threads: Threads = None,
    limit: Limit = None,
    json_output: Json = False,
) -> None:
    """Verification: on pairs of whole photos, and on aligned faces of known people.

    Without --pairs, --photos and --identities, all three of ../shared/data. The detector's aligner
    places aligned faces first, as it does faces found in photos.
    """
    from faceflow_ml.evaluation import figures
    from faceflow_ml.evaluation.data_used import file_used, samples_used
    from faceflow_ml.evaluation.pair_sources import read_pair_photos, read_pairs
    from faceflow_ml.evaluation.photo_sources import read_aligned_faces
    from faceflow_ml.evaluation.run_verification import FOLDS, run_identities, run_pairs
    from faceflow_ml.evaluation.summary import identity_rows, pair_rows
    from faceflow_ml.evaluation.verification import check_folds, check_people
    from faceflow_ml.inference.aligner import FaceAligner
    from faceflow_ml.inference.detector import FaceDetector
    from faceflow_ml.inference.embedder import FaceEmbedder
    from faceflow_ml.inference.pipeline import FacePipeline

    if (pairs is None) != (photos is None):
        raise ConfigError("--pairs and --photos go together")
    if pairs is None and identities is None:
        pairs = DATA / "verification" / "lfw_dev_pairs.csv"
        photos = DATA / "verification" / "lfw_dev.parquet"
        identities = DATA / "identities"
    prepare(out)
    started = time.monotonic()
    model = FaceEmbedder.from_pretrained(weights, threads=threads)
    models: list[tuple[Kind, str | None, str]] = [("embedder", weights, model.contract_id)]
    data: list[DataUsed] = []
    metrics: dict[str, Any] = {}
    rows: list[Row] = []
    if pairs is not None and photos is not None:
        finder = FaceDetector.from_pretrained(detector, threads=threads)
        models.append(("detector", detector, finder.contract_id))
        listed = read_pairs(pairs)
        genuine = sum(pair.same for pair in listed)
        check_folds(genuine, len(listed) - genuine, FOLDS)
        names = {name for pair in listed for name in (pair.a, pair.b)}
        with progress("Photos", len(names)) as bar:
            pair_run = run_pairs(
                FacePipeline(finder, model),
                listed,
                read_pair_photos(photos, names),
                on_done=bar.advance,
            )
        metrics["pairs"] = pair_run.metrics
        data += [file_used(pairs), file_used(photos)]
        if out is not None:
            figures.draw_pairs(out, pair_run)
        rows += pair_rows(pair_run.metrics)
    if identities is not None:
        samples = read_aligned_faces(identities)[:limit]
        check_people([sample.identity for sample in samples])
        if detector is None:
            aligner = FaceAligner.default(threads=threads)
        else:
            aligner = FaceDetector.from_pretrained(detector, threads=threads).aligner
        if aligner is not None:
            models.append(("aligner", None, aligner.contract_id))
        with progress("Faces", len(samples)) as bar:
            identity_run = run_identities(model, samples, aligner=aligner, on_done=bar.advance)
        metrics["identities"] = identity_run.metrics
        data.append(samples_used(identities, samples))
        if out is not None:
            figures.draw_identities(out, identity_run)
        rows += identity_rows(identity_run.metrics)
    report = make_report("embedder", started, models, data, metrics)
    finish(report, out, json_output, update=update_manifest)
    tell(json_output, rows)


@app.command(epilog="Example: faceflow-ml evaluate clustering demo/photos --json")
def clustering(
    album: Annotated[Path, typer.Argument(metavar="ALBUM", help="A folder of photos.")],
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Columns photo,person (who is the main one) or photo,identity,x1,y1,x2,y2; "
            "ALBUM/truth.csv by default.",
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A groups.json of ALBUM, in place of a new run."),
    ] = None,
    detector: Detector = None,
    embedder: Embedder = None,
    section: Annotated[
        str, typer.Option(metavar="NAME", help="What the album is called in report and manifest.")
    ] = "album",
    out: Out = None,
    update_manifest: Update = False,
    json_output: Json = False,
) -> None:
    """BCubed, pairwise F, purity, V-measure and expected user edits of a grouped album."""
    from faceflow_ml.album.group import group_album
    from faceflow_ml.album.schema import read_groups
    from faceflow_ml.evaluation.album_truth import TRUTH, read_album_truth
    from faceflow_ml.evaluation.data_used import album_used
    from faceflow_ml.evaluation.run_clustering import run_clustering
    from faceflow_ml.evaluation.summary import album_rows
    from faceflow_ml.inference.pipeline import FacePipeline

    if not album.is_dir():
        raise ConfigError(f"{album}: no such folder")
    if groups is not None and (detector is not None or embedder is not None):
        raise ConfigError(
            "--groups is a result already: --detector and --embedder would change nothing"
        )
    prepare(out)
    started = time.monotonic()
    labels_file = truth if truth is not None else album / TRUTH
    labels = read_album_truth(labels_file)
    with ExitStack() as stack:
        if groups is not None:
            found = read_groups(groups)
        else:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faceflow-")))
            engine = FacePipeline.from_pretrained(detector=detector, embedder=embedder, threads=1)
            bar = stack.enter_context(progress("Photos"))
            found = group_album(album, work, engine, on_progress=bar.update, on_notice=say).groups
    run = run_clustering(found, labels)
    models: list[tuple[Kind, str | None, str]] = [
        ("embedder", embedder, found.models.embedder),
        ("detector", detector, found.models.detector),
    ]
    used = [album_used(album, found, labels_file)]
    report = make_report("clustering", started, models, used, {section: run.metrics})
    if out is not None:
        from faceflow_ml.evaluation.figures import draw_album

        draw_album(out, run, album)
    finish(report, out, json_output, update=update_manifest)
    tell(json_output, album_rows(run.metrics))


@app.command(epilog="Example: faceflow-ml evaluate calibrate --update-manifest")
def calibrate(
    data: Faces = DATA / "detection",
    identities: People = DATA / "identities",
    detector: Detector = None,
    embedder: Embedder = None,
    out: ReportFolder = None,
    update_manifest: Update = False,
    threads: Threads = None,
    json_output: Json = False,
) -> None:
    """Thresholds and ranges that the models need, from validation splits.

    The detector's scores become probabilities, and its score threshold allows one false positive
    in ten photos; the embedder's match threshold groups random piles of people best, and the
    confidence of groups is fitted on them.
    """
    from faceflow_ml.evaluation.calibration import calibrate_detector, calibrate_embedder
    from faceflow_ml.evaluation.data_used import samples_used
    from faceflow_ml.evaluation.photo_sources import read_aligned_faces, read_labelled_photos
    from faceflow_ml.evaluation.run_detection import run_detector
    from faceflow_ml.evaluation.run_verification import run_identities
    from faceflow_ml.evaluation.summary import calibration_rows
    from faceflow_ml.evaluation.verification import check_people
    from faceflow_ml.inference.detector import FaceDetector
    from faceflow_ml.inference.embedder import FaceEmbedder

    prepare(out, pictures=False)
    started = time.monotonic()
    finder = FaceDetector.from_pretrained(detector, threads=threads)
    model = FaceEmbedder.from_pretrained(embedder, threads=threads)
    photos = read_labelled_photos(data)
    people = read_aligned_faces(identities)
    check_people([sample.identity for sample in people])
    with progress("Photos", len(photos)) as bar:
        found = run_detector(finder, photos, on_done=bar.advance)
    with progress("Faces", len(people)) as bar:
        faces = run_identities(model, people, aligner=finder.aligner, on_done=bar.advance)
    for_detector = calibrate_detector(found)
    for_embedder, trials = calibrate_embedder(faces.vectors, faces.norms, faces.labels)
    report = make_report(
        "calibration",
        started,
        [
            ("detector", detector, finder.contract_id),
            ("embedder", embedder, model.contract_id),
        ],
        [samples_used(data, photos), samples_used(identities, people)],
        {"detector": for_detector, "embedder": for_embedder, "trials": trials},
    )
    if update_manifest:
        from faceflow_ml.evaluation import reports

        measured: tuple[tuple[Kind, str, dict[str, float]], ...] = (
            ("detector", finder.contract_id, reports.plain(for_detector)),
            ("embedder", model.contract_id, for_embedder.numbers()),
        )
        for kind, contract_id, numbers in measured:
            file = reports.update_manifest(kind, contract_id, calibration=numbers)
            say(f"Calibration of the {kind} in {file}")
    finish(report, out, json_output)
    tell(json_output, calibration_rows(for_detector, for_embedder, trials))
