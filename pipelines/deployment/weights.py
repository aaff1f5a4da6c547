"""A weights folder of the deployed models together, as the library and the application read it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from faceflow_ml.files import atomic_path, atomic_write_text
from faceflow_ml.inference.companions import copy_companions
from faceflow_ml.inference.pretrained import (
    MANIFEST_NAME,
    Kind,
    Manifest,
    ModelEntry,
    read_manifest,
    resolve,
    weights_dir,
)
from pipelines.kinds import KINDS


def merge_weights(folders: Mapping[Kind, Path], out: Path) -> Path:
    """Write a folder with the default model of each kind, for ``FACEFLOW_WEIGHTS``.

    Contract ids stay: they are made of weights and preprocessing, not of names.

    Args:
        folders: weights folders by kind; a kind that is not among them is the default weights'.
        out: folder to write; the manifest comes last.

    Raises:
        WeightsError: a folder has no manifest.
    """
    models: dict[Kind, dict[str, ModelEntry]] = {}
    default: dict[Kind, str] = {}
    for kind in KINDS:
        folder = folders.get(kind, weights_dir())
        manifest = read_manifest(folder)
        name = manifest.default[kind]
        entry = manifest.models[kind][name]
        file = f"{kind}-{entry.contract_id}.onnx"
        with atomic_path(out / file) as temporary:
            shutil.copyfile(folder / entry.file, temporary)
        models[kind] = {name: entry.model_copy(update={"file": file})}
        default[kind] = name
        if kind == "detector":
            for companion, named in copy_companions(resolve(kind, folder), out).items():
                models[companion], default[companion] = named, next(iter(named))
    merged = Manifest(version=1, models=models, default=default)
    atomic_write_text(out / MANIFEST_NAME, merged.model_dump_json(indent=2) + "\n")
    return out


def keep_weights(folders: Mapping[Kind, Path], out: Path) -> None:
    """Make ``out`` the folder of `merge_weights`, if it is not already; whoever opens it meanwhile
    finds the former models or the new ones.

    Raises:
        WeightsError: see `merge_weights`.
    """
    wanted = {kind: read_manifest(folders.get(kind, weights_dir())) for kind in KINDS}
    if (out / MANIFEST_NAME).exists():
        there = read_manifest(out)
        if all(_default_of(there, kind) == _default_of(m, kind) for kind, m in wanted.items()):
            return
    merge_weights(folders, out)
    listed = {e.file for named in read_manifest(out).models.values() for e in named.values()}
    for file in out.glob("*.onnx"):
        if file.name not in listed:
            file.unlink()


def _default_of(manifest: Manifest, kind: Kind) -> ModelEntry:
    """Whatever its file is called: models of one contract may be calibrated differently."""
    return manifest.models[kind][manifest.default[kind]].model_copy(update={"file": "-"})
