"""Reading and writing Parquet shards with the encoded image in a column.

Detection shards have ``image, name, width, height, boxes, landmarks, kind``; identity shards have
``image, identity, source, name`` and optionally ``det_score, eye_px``. Shards of one split are
named ``<split>.parquet`` or ``<split>-00K-of-00N.parquet``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceflow_ml.data.records import DetectionSample, FloatArray, IdentitySample, ImageArray
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_path

Source = str | PathLike[str] | Sequence[str | PathLike[str]]

_DETECTION_COLUMNS = ("image", "name", "width", "height", "boxes", "landmarks", "kind")
_IDENTITY_COLUMNS = ("image", "identity", "source", "name")
_KINDS = frozenset({"human", "auto", "ignore"})


def shard_files(source: Source, split: str | None = None) -> list[Path]:
    """The shard files of ``source``: a folder, a file, or a list of files.

    Args:
        source: a folder to look in, or the files themselves.
        split: for a folder, the split to take; None takes every shard.

    Raises:
        FaceFlowError: nothing is found, or shards of a numbered set are missing.
    """
    if not isinstance(source, str | PathLike):
        files = [Path(item) for item in source]
    elif Path(source).is_dir():
        pattern = re.compile(
            (re.escape(split) if split else r".+?") + r"(-\d+-of-\d+)?\.parquet", re.ASCII
        )
        files = sorted(p for p in Path(source).iterdir() if pattern.fullmatch(p.name))
        _check_complete(files)
    else:
        files = [Path(source)]
    wanted = f"split {split!r}" if split else "any split"
    if not files:
        raise FaceFlowError(f"{source}: no Parquet shards of {wanted} here")
    for file in files:
        if not file.is_file():
            raise FaceFlowError(f"{file}: no such shard")
    return files


def read_detection_shards(source: Source, split: str | None = None) -> list[DetectionSample]:
    """Photos with boxes and landmarks; a box of kind ``ignore`` gets the ignore mask.

    Boxes are clipped to the photo; one that is then empty is left out.

    Raises:
        FaceFlowError: a shard is missing, unreadable, lacks a column or holds malformed rows; the
            message names the file and the row.
    """
    return [
        _detection_sample(row, where)
        for row, where in _rows(shard_files(source, split), _DETECTION_COLUMNS)
    ]


def read_identity_shards(source: Source, split: str | None = None) -> list[IdentitySample]:
    """Aligned faces with their identities.

    Raises:
        FaceFlowError: a shard is missing, unreadable, or lacks a column.
    """
    files = shard_files(source, split)
    optional = ("det_score", "eye_px")
    return [
        IdentitySample(
            image=row["image"],
            identity=row["identity"],
            source=row["source"],
            name=row["name"],
            det_score=_number(row.get("det_score"), 0.0),
            eye_px=_number(row.get("eye_px"), float("nan")),
        )
        for row, _ in _rows(files, _IDENTITY_COLUMNS, optional)
    ]


def read_table(file: Path, columns: Iterable[str], optional: Iterable[str] = ()) -> pa.Table:
    """The named columns of one shard, those of ``optional`` only where they are there.

    Raises:
        FaceFlowError: the file is no Parquet, or a required column is missing; the message lists
            the columns it has.
    """
    required = list(columns)
    try:
        present = pq.read_schema(file).names
        missing = [name for name in required if name not in present]
        if missing:
            raise FaceFlowError(
                f"{file}: column {', '.join(missing)} is missing; it has {', '.join(present)}"
            )
        wanted = required + [name for name in optional if name in present]
        return pq.read_table(file, columns=wanted)
    except (pa.ArrowInvalid, OSError) as error:
        raise FaceFlowError(f"{file}: not a readable Parquet file: {error}") from error


def write_shard(file: Path, rows: Mapping[str, list[object]]) -> Path:
    """Write one shard, in one step, from columns by name; returns ``file``."""
    with atomic_path(file) as temporary:
        pq.write_table(pa.table(dict(rows)), temporary, compression="zstd")
    return file


def encode_webp(image: ImageArray) -> bytes:
    """Encode ``(h, w, 3)`` uint8 RGB as the shards hold images."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, 90])[1].tobytes()


def _rows(
    files: Iterable[Path], columns: Iterable[str], optional: Iterable[str] = ()
) -> Iterator[tuple[dict[str, Any], str]]:
    required = tuple(columns)
    for file in files:
        table = read_table(file, required, optional)
        position = 0
        for batch in table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                where = f"{file} row {position}"
                empty = [name for name in required if row[name] is None]
                if empty:
                    raise FaceFlowError(f"{where}: {', '.join(empty)} is null")
                if not isinstance(row["image"], bytes):
                    raise FaceFlowError(f"{where}: image must be the bytes of an image file")
                yield row, where
                position += 1


def _detection_sample(row: dict[str, Any], where: str) -> DetectionSample:
    kinds = row["kind"]
    n = len(kinds)
    boxes = _array(row["boxes"], (n, 4), f"{where}: boxes")
    landmarks = _array(row["landmarks"], (n, 10), f"{where}: landmarks").reshape(n, 5, 2)
    unknown = set(kinds) - _KINDS
    if unknown:
        raise FaceFlowError(f"{where}: kind {unknown.pop()!r} is none of {sorted(_KINDS)}")
    if not np.isfinite(boxes).all():
        raise FaceFlowError(f"{where}: a box is not finite")
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, row["width"])
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, row["height"])
    keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    ignore = np.array([kind == "ignore" for kind in kinds], np.bool_)
    return DetectionSample(
        image=row["image"],
        boxes=boxes[keep],
        landmarks=landmarks[keep],
        ignore=ignore[keep],
        name=row["name"],
        width=row["width"],
        height=row["height"],
    )


def _array(values: Any, shape: tuple[int, int], where: str) -> FloatArray:
    try:
        # An absent number (null) becomes NaN.
        array = np.array(values, np.float32).reshape(-1, shape[1])
    except (TypeError, ValueError) as error:
        raise FaceFlowError(f"{where} must be a list of {shape[1]} numbers a face") from error
    if array.shape != shape:
        raise FaceFlowError(f"{where} has {len(array)} entries for {shape[0]} kinds")
    return array


def _number(value: float | None, default: float) -> float:
    return default if value is None else float(value)


def _check_complete(files: list[Path]) -> None:
    """A numbered set with a hole trains on less data than it says: refuse it."""
    sets: dict[tuple[Path, str, int], set[int]] = {}
    for file in files:
        match = re.fullmatch(r"(.+)-(\d+)-of-(\d+)\.parquet", file.name, re.ASCII)
        if match:
            key = (file.parent, match[1], int(match[3]))
            sets.setdefault(key, set()).add(int(match[2]))
    for (folder, stem, total), numbers in sets.items():
        missing = set(range(total)) - numbers
        if missing:
            raise FaceFlowError(
                f"{folder}: of the {total} shards of {stem!r}, {sorted(missing)} are missing"
            )
