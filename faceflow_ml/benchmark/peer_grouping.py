"""The whole job compared: this project's command and face_recognition's recipe, as processes."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceflow_ml.album.schema import Face, Groups, Models, Person, Photo, read_groups
from faceflow_ml.benchmark.peers.base import PeerMissing, need
from faceflow_ml.benchmark.peers.dlib import INSTALL, models_folder
from faceflow_ml.benchmark.processes import run_module
from faceflow_ml.benchmark.throughput import group_command
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.evaluation.album_truth import AlbumTruth
from faceflow_ml.evaluation.reports import usable_cores
from faceflow_ml.evaluation.run_clustering import AlbumMetrics, run_clustering

RECIPE = "face_recognition's recipe"


@dataclass(frozen=True)
class GroupingRun:
    """A whole run on an album, start-up included.

    peak_mib: largest resident memory, summed over processes; None where the system does not tell.
    metrics: None where the album has no labels.
    """

    name: str
    photos: int
    seconds: float
    photos_per_second: float
    peak_mib: float | None
    metrics: AlbumMetrics | None


@dataclass(frozen=True)
class GroupingTable:
    """This project's run first; ``missing``: what is not here, and why."""

    album: str
    results: tuple[GroupingRun, ...]
    missing: tuple[tuple[str, str], ...]


def compare_jobs(
    album: Path,
    truth: AlbumTruth | None,
    *,
    name: str,
    detector: str | None = None,
    embedder: str | None = None,
) -> GroupingTable:
    """Group an album by ``faceflow-ml group`` and, where dlib is, by face_recognition's recipe.

    Args:
        album: a folder of photos.
        truth: who is in them.
        name: of the album, for the table.
        detector, embedder: as for ``from_pretrained``.

    Raises:
        FaceFlowError: a process fails.
    """
    results, missing = [], []
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as work:
        out = Path(work)
        cost = group_command(album, out / "own", detector, embedder)
        groups = read_groups(out / "own" / "groups.json")
        results.append(_run("faceflow-ml group", groups, truth, cost.seconds, cost.peak_mib))
        try:
            need("dlib", INSTALL)
            models_folder()
        except PeerMissing as reason:
            missing.append((RECIPE, str(reason)))
        else:
            file = out / "recipe.json"
            cost = run_module(
                [
                    "faceflow_ml.benchmark.peers.recipe",
                    *(os.fspath(album), os.fspath(file), str(usable_cores())),
                ]
            )
            document = _read(file)
            peak = None
            if cost.peak_mib is not None:
                peak = cost.peak_mib + sum(document["worker_mib"])
            groups = recipe_groups(document)
            results.append(_run(RECIPE, groups, truth, cost.seconds, peak))
    return GroupingTable(name, tuple(results), tuple(missing))


def recipe_groups(document: dict[str, Any]) -> Groups:
    """What the recipe wrote, as the command writes it: a group of one face is no group."""
    sizes = Counter(group for photo in document["photos"] for group in photo["groups"])
    photos = [
        Photo(
            path=photo["path"],
            width=photo["width"],
            height=photo["height"],
            sha256=None,
            error=None,
            faces=tuple(
                Face(
                    face_id=f"{photo['path']}-{row}",
                    box=tuple(box),
                    score=1.0,
                    landmarks=((box[0], box[1]),) * 5,
                    person=f"p{group}" if sizes[group] > 1 else None,
                )
                for row, (box, group) in enumerate(
                    zip(photo["boxes"], photo["groups"], strict=True)
                )
            ),
        )
        for photo in document["photos"]
    ]
    people = [
        Person(id=f"p{group}", label=None, faces=size, photos=size, cover="")
        for group, size in sizes.most_common()
        if size > 1
    ]
    return Groups(
        models=Models(detector="dlib HOG", embedder="dlib ResNet"),
        photos=tuple(photos),
        people=tuple(people),
        duplicates=(),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FaceFlowError(f"the recipe left no result: {error}") from error
    if not isinstance(document, dict):
        raise FaceFlowError("the recipe left no result that can be read")
    return document


def _run(
    name: str, groups: Groups, truth: AlbumTruth | None, seconds: float, peak_mib: float | None
) -> GroupingRun:
    photos = sum(photo.error is None for photo in groups.photos)
    return GroupingRun(
        name=name,
        photos=photos,
        seconds=round(seconds, 3),
        photos_per_second=round(photos / seconds, 2),
        peak_mib=None if peak_mib is None else round(peak_mib, 1),
        metrics=None if truth is None else run_clustering(groups, truth).metrics,
    )
