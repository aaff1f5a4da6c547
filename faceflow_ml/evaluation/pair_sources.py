"""Where pairs of photos come from, the photos themselves, and who is in them."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePath

from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.inference.images import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Pair:
    """Names of two photos, and whether they show one person."""

    a: str
    b: str
    same: bool


def read_pairs(file: Path) -> list[Pair]:
    """Read a CSV with the columns ``a``, ``b`` (names of photos) and ``same`` (0 or 1).

    Raises:
        ConfigError: there is no such file.
        FaceFlowError: a column is missing, or a row is not as above.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FaceFlowError(f"{file}: not a CSV file: {error}") from error
    pairs = []
    for number, row in enumerate(rows, start=2):
        a, b, same = row.get("a"), row.get("b"), row.get("same")
        if not a or not b or same not in ("0", "1"):
            raise FaceFlowError(f"{file} line {number}: expected a,b,same with same 0 or 1")
        pairs.append(Pair(a, b, same == "1"))
    if not pairs:
        raise FaceFlowError(f"{file}: holds no pairs")
    return pairs


def read_pair_photos(source: Path, names: set[str]) -> dict[str, bytes | Path]:
    """The encoded photos of ``names``: from a Parquet file with the columns ``name`` and
    ``image``, or from a folder, by path in it or by a file name that occurs there once.

    Raises:
        ConfigError: there is no such file or folder.
        FaceFlowError: a photo is missing, or several have its name.
    """
    photos: dict[str, bytes | Path] = {}
    if source.is_dir():
        by_path: dict[str, Path] = {}
        by_name: defaultdict[str, list[Path]] = defaultdict(list)
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                by_path[path.relative_to(source).as_posix()] = path
                by_name[path.name].append(path)
        for name in sorted(names):
            found = by_name.get(name, [])
            known = by_path.get(PurePath(name).as_posix())
            if known is None and len(found) > 1:
                raise FaceFlowError(
                    f"{source}: {len(found)} photos are called {name}; tell them apart by their "
                    "paths in this folder"
                )
            if known is not None or found:
                photos[name] = known or found[0]
    elif source.is_file():
        from faceflow_ml.data.parquet import read_table

        table = read_table(source, ("name", "image"))
        rows = zip(table["name"].to_pylist(), table["image"].to_pylist(), strict=True)
        for name, image in rows:
            if name in names and photos.setdefault(name, image) != image:
                raise FaceFlowError(f"{source}: several photos are called {name}")
    else:
        raise ConfigError(f"{source}: no such photos")
    missing = sorted(names - photos.keys())
    if missing:
        raise FaceFlowError(f"{source}: {len(missing)} photos are missing, {missing[0]} among them")
    return photos


def read_people(source: Path) -> dict[str, str]:
    """Who each photo of a Parquet file is of, by name; empty where it has no column ``identity``.

    Raises:
        FaceFlowError: the file is no Parquet, or has no column ``name``.
    """
    from faceflow_ml.data.parquet import read_table

    table = read_table(source, ("name",), ("identity",))
    if "identity" not in table.column_names:
        return {}
    names, people = table["name"].to_pylist(), table["identity"].to_pylist()
    return {name: who for name, who in zip(names, people, strict=True) if who is not None}
