"""The models that a detector uses beside its own: found, copied, or the default ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from faceflow_ml.errors import WeightsError
from faceflow_ml.files import atomic_write_bytes
from faceflow_ml.inference.pretrained import (
    MANIFEST_NAME,
    Kind,
    ModelEntry,
    Weights,
    from_folder,
    read_manifest,
    shipped_dir,
    weights_dir,
)

COMPANIONS: tuple[Kind, ...] = ("refiner", "aligner")
"""Kinds of models that a detector uses: its preprocessing names each by its contract id."""


def default_companions(out: Path) -> dict[Kind, str]:
    """Contract ids of the models that a detector exported into ``out`` is to use, by kind: of each,
    the default of that folder, or of the default or the shipped weights; none where all lack one.
    """
    found: dict[Kind, str] = {}
    for kind in COMPANIONS:
        default = _first_default(kind, (out, weights_dir(), shipped_dir()))
        if default is not None:
            folder, name = default
            found[kind] = read_manifest(folder).models[kind][name].contract_id
    return found


def default_companion(kind: Kind) -> Weights | None:
    """The verified model of a kind that `default_companions` names for the default weights."""
    default = _first_default(kind, (weights_dir(), shipped_dir()))
    return None if default is None else from_folder(kind, *default)


def _first_default(kind: Kind, folders: Iterable[Path]) -> tuple[Path, str] | None:
    """The first folder whose manifest has a default of a kind, and its name."""
    for folder in folders:
        if (folder / MANIFEST_NAME).exists():
            name = read_manifest(folder).default.get(kind)
            if name is not None:
                return folder, name
    return None


def find_companion(kind: Kind, weights: Weights) -> tuple[Path, str, ModelEntry] | None:
    """Folder, name and entry of the model of a kind that a detector's preprocessing asks for:
    beside the detector, or among the default or the shipped weights. None: it asks for none.

    Raises WeightsError if it is in none of them.
    """
    wanted = weights.preprocessing.get(kind)
    if wanted is None:
        return None
    folders = [] if isinstance(weights.model, bytes) else [weights.model.parent]
    for folder in (*folders, weights_dir(), shipped_dir()):
        if not (folder / MANIFEST_NAME).exists():
            continue
        for name, entry in read_manifest(folder).models.get(kind, {}).items():
            if entry.contract_id == wanted:
                return folder, name, entry
    raise WeightsError(
        f"{weights.name} needs the {kind} with contract id {wanted}, which is neither beside it "
        "nor among the weights of this version of faceflow-ml"
    )


def companion_of(kind: Kind, weights: Weights) -> Weights | None:
    """The verified weights of what `find_companion` finds."""
    found = find_companion(kind, weights)
    return None if found is None else from_folder(kind, found[0], found[1])


def copy_companions(weights: Weights, out: Path) -> dict[Kind, dict[str, ModelEntry]]:
    """Copy the models that a detector asks for into a folder of weights, so that the detector can
    be loaded from there whatever other weights there are.

    Returns what the folder's manifest has to list of them, by kind: one of each that is asked for.
    """
    listed: dict[Kind, dict[str, ModelEntry]] = {}
    for kind in COMPANIONS:
        found = find_companion(kind, weights)
        if found is None:
            continue
        folder, name, entry = found
        if folder.resolve() != out.resolve():
            file = f"{kind}-{entry.contract_id}.onnx"
            atomic_write_bytes(out / file, (folder / entry.file).read_bytes())
            entry = entry.model_copy(update={"file": file})
        listed[kind] = {name: entry}
    return listed
