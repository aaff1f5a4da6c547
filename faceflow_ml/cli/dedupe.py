"""``faceflow-ml dedupe``: the duplicates in a folder of photos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from faceflow_ml.album.scan import scan_folder
from faceflow_ml.cli._common import emit_json, progress, say
from faceflow_ml.cli._options import Json
from faceflow_ml.dedup.duplicates import DedupItem, DuplicateGroup, find_duplicates
from faceflow_ml.dedup.hashing import sha256_file
from faceflow_ml.errors import ImageError, WeightsError
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.images import load_image, load_photo

_MAX_SIDE = 512  # enough for the hash and the thumb, and JPEG decodes faster at a fraction
_MAX_WORKERS = 8

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class UnreadablePhoto:
    """A photo that was passed over."""

    path: str
    error: str


@dataclass(frozen=True)
class DedupeReport:
    """What ``dedupe --json`` prints; paths are relative to the folder."""

    photos: int
    duplicates: list[DuplicateGroup]
    unreadable: list[UnreadablePhoto]


@app.command(epilog="Example: faceflow-ml dedupe ~/Photos --json")
def dedupe(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Photos, in sub-folders too.")],
    json: Json = False,
) -> None:
    """Find exact (SHA-256) and near (pHash + SSIM) duplicate photos, the keeper first.

    The keeper has the highest resolution, then the most faces, then the most bytes. Nothing is
    deleted.
    """
    report = run_dedupe(folder)
    for photo in report.unreadable:
        say(f"Skipped {_printable(photo.path)}: {photo.error}")
    if json:
        emit_json(report)
        return
    for group in report.duplicates:
        typer.echo(f"{group.kind}: keep {_printable(group.keep)}")
        for path in group.drop:
            typer.echo(f"  drop {_printable(path)}")
    say(
        f"{sum(len(group.drop) for group in report.duplicates)} of {report.photos} photos are"
        f" duplicates; {len(report.unreadable)} could not be read."
    )


def run_dedupe(folder: Path) -> DedupeReport:
    """Find the duplicates under ``folder``; photos that cannot be read are passed over.

    Raises:
        ConfigError: ``folder`` is not a folder.
        OSError: ``folder`` cannot be read.
    """
    unreadable: list[UnreadablePhoto] = []
    paths = scan_folder(
        folder, on_unreadable=lambda path, why: unreadable.append(UnreadablePhoto(path, why))
    )
    items = []
    workers = min(_MAX_WORKERS, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool, progress("Reading photos", len(paths)) as bar:
        for outcome in pool.map(lambda path: _describe(folder, path), paths):
            if isinstance(outcome, DedupItem):
                items.append(outcome)
            else:
                unreadable.append(outcome)
            bar.advance()
    items = _count_faces_of_ties(folder, items)
    return DedupeReport(len(items), find_duplicates(items), sorted(unreadable, key=_path))


def _describe(folder: Path, path: str) -> DedupItem | UnreadablePhoto:
    file = folder / path
    try:
        photo = load_photo(file, max_side=_MAX_SIDE)
        return DedupItem.of_image(
            path,
            photo.pixels,
            sha256=sha256_file(file),
            size_bytes=file.stat().st_size,
            size=(photo.width, photo.height),
        )
    except ImageError as error:
        return UnreadablePhoto(path, str(error))
    except OSError as error:  # it went away, or its disk did, between two reads
        return UnreadablePhoto(path, error.strerror or str(error))


def _count_faces_of_ties(folder: Path, items: Sequence[DedupItem]) -> list[DedupItem]:
    """Fill in ``faces`` where near-duplicates have one resolution and faces decide."""
    by_path = {item.path: item for item in items}
    ties: set[str] = set()
    for group in find_duplicates(items):
        if group.kind == "near":
            keeper = by_path[group.keep]
            same_size = [p for p in group.drop if _pixels(by_path[p]) == _pixels(keeper)]
            ties.update([group.keep, *same_size] if same_size else [])
    if not ties:
        return list(items)
    try:
        detector = FaceDetector.from_pretrained()
    except WeightsError as error:
        say(f"Faces are not counted to choose keepers: {error}")
        return list(items)
    faces = {path: len(detector.detect(load_image(folder / path))) for path in sorted(ties)}
    return [replace(item, faces=faces.get(item.path, 0)) for item in items]


def _pixels(item: DedupItem) -> int:
    return item.width * item.height


def _path(photo: UnreadablePhoto) -> str:
    return photo.path


def _printable(path: str) -> str:
    """``path`` for a terminal; bytes of the name that are not UTF-8 are shown as escapes."""
    return path.encode("utf-8", "backslashreplace").decode()
