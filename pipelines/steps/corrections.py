"""People's corrections in the pipeline: is there enough new, and what is trained on then."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceflow_ml.cli._common import say
from faceflow_ml.data.fingerprint import fingerprint_files
from faceflow_ml.data.parquet import read_table, shard_files
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.embedder import FaceEmbedder
from pipelines.archives import unpack_model
from pipelines.retraining.drift.compare import DriftConfig
from pipelines.retraining.drift.observations import TooFewError
from pipelines.retraining.drift.report import DOCUMENT as DRIFT
from pipelines.retraining.drift.report import run_drift, verdict
from pipelines.retraining.gate import DOCUMENT, check_gate
from pipelines.retraining.place import Place, read_place
from pipelines.retraining.quality_report import write_quality_report
from pipelines.retraining.training_set import SUMMARY, build_training_set
from pipelines.steps.prepare import copy_file

REPORT = "data.json"


def check_corrections(corrections: Path, out: Path, *, needed: int) -> None:
    """Write ``out/gate.json``: ``train`` 1 or 0, ``reason``, and the ``fingerprint`` of what was
    looked at.

    corrections: see `pipelines.retraining.place`. needed: new corrections to go on with.

    Raises:
        FaceFlowError: there is no readable export.
    """
    place = read_place(corrections)
    gate = check_gate(
        place.export, needed=needed, previous=place.trained, leave_out=place.leave_out
    )
    _write(out / DOCUMENT, {**asdict(gate), "fingerprint": place.fingerprint})
    say(gate.reason)


def mix_corrections(
    corrections: Path,
    faces: Path,
    champion: Path,
    out: Path,
    *,
    fingerprint: str,
    least_faces: int,
) -> None:
    """Put corrected faces before those of the data: ``out/train`` is what the embedder trains on.

    Consent, users to leave out, identities by user and hard pairs first are those of
    `build_training_set`; its share for validation stays out, so that it can measure what was
    learned. ``out/report`` gets ``training_set.json``, and ``data.json`` with counts and the
    fingerprint.

    Args:
        corrections: see `pipelines.retraining.place`.
        faces: Parquet shards of ``train``.
        champion: folder with the ``model.tar.gz`` of the model to find hard pairs with; without
            one the shipped model does.
        out: folder.
        fingerprint: of the corrections that the gate saw.
        least_faces: of an identity.

    Raises:
        FaceFlowError: the corrections changed since, are unreadable, or teach nothing.
    """
    place = _place_of(corrections, fingerprint)
    data = shard_files(faces, "train")
    with tempfile.TemporaryDirectory(prefix="faceflow-") as work:
        embedder = FaceEmbedder.from_pretrained(unpack_model(champion, Path(work) / "champion"))
        made_in = Path(work) / "training"
        made = build_training_set(
            place.export, made_in, embedder, least_faces=least_faces, leave_out=place.leave_out
        )
        corrected = shard_files(made_in, "train")
        both = _people(corrected) & _people(data)
        if both:
            raise FaceFlowError(
                f"{len(both)} corrected people are in the data too, such as {min(both)}: "
                "data that corrections were mixed into are not data to mix them into"
            )
        # Numbered anew, the corrected first: whoever takes only the first takes these.
        shards = [*corrected, *data]
        for number, shard in enumerate(shards):
            copy_file(shard, out / f"train/train-{number:05d}-of-{len(shards):05d}.parquet")
        copy_file(made_in / SUMMARY, out / "report" / SUMMARY)
    report = {
        "fingerprint": fingerprint_files([out / "train"]),
        "corrected": {"people": made.identities["train"], "faces": made.faces["train"]},
        "hard_pairs": made.hard_pairs,
        "left_out": made.left_out,
    }
    _write(out / "report" / REPORT, report)
    say(f"Corrections mixed in: {json.dumps(report)}")


def report_corrections(
    corrections: Path,
    faces: Path,
    champion: Path,
    out: Path,
    *,
    fingerprint: str,
    least_faces: int,
) -> None:
    """Write ``out/quality``, a report on the corrected faces, and ``out/drift``, how far the faces
    that people looked at are from those that the embedder was trained on. Both are for people to
    read; nothing is decided by them.

    ``drift.json`` says ``drifted``; null, and why, where there are too few faces to tell.

    Args, Raises: see `mix_corrections`.
    """
    place = _place_of(corrections, fingerprint)
    with tempfile.TemporaryDirectory(prefix="faceflow-") as work:
        embedder = FaceEmbedder.from_pretrained(unpack_model(champion, Path(work) / "champion"))
        training = Path(work) / "training"
        build_training_set(
            place.export, training, embedder, least_faces=least_faces, leave_out=place.leave_out
        )
        write_quality_report(training, out / "quality", embedder)
    try:
        drift = run_drift(
            faces, place.export, out / "drift", embedder, DriftConfig(), leave_out=place.leave_out
        )
        say(verdict(drift))
    except TooFewError as error:
        _write(out / "drift" / DRIFT, {"drifted": None, "reason": str(error)})
        say(f"Drift: {error}")


def remember_corrections(report: Path, out: Path) -> None:
    """Keep what a model has learned from where the next gate looks: ``training_set.json``."""
    copy_file(report / SUMMARY, out / SUMMARY)


def _place_of(corrections: Path, fingerprint: str) -> Place:
    place = read_place(corrections)
    if place.fingerprint != fingerprint:
        raise FaceFlowError(
            "the corrections are others than those that the gate saw: start again, and do not "
            "export while the pipeline runs"
        )
    return place


def _people(shards: list[Path]) -> set[str]:
    tables = (read_table(shard, ["identity"]) for shard in shards)
    return {str(name) for table in tables for name in table.column("identity").unique().to_pylist()}


def _write(file: Path, document: dict[str, Any]) -> None:
    atomic_write_text(file, json.dumps(document, indent=2) + "\n")
