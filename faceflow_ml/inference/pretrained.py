"""Which weights to use: the shipped ones, a file, a folder, or a model from an MLflow registry.

A weights folder holds ``manifest.json`` and the ONNX files it names. Each file's SHA-256 is
checked before it is loaded, and every model has a contract id: vectors of different contract ids
are never compared.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from faceflow_ml.errors import SettingsError, WeightsError
from faceflow_ml.variables import check_variables

Kind = Literal["detector", "refiner", "aligner", "embedder"]

WEIGHTS_VARIABLE = "FACEFLOW_WEIGHTS"
"""Environment variable: a folder to use in place of the shipped weights."""

MANIFEST_NAME = "manifest.json"

_Hex64 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Hex16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Schema = TypeVar("Schema", bound=BaseModel)


class DetectorPreprocessing(_Strict):
    """How a photo becomes the detector's input.

    The longest side is reduced to ``max_side`` or raised to ``min_side``, and the bottom and
    right padded with the grey ``pad_value`` to multiples of ``multiple``. ``refiner``: contract id
    of the refiner that judges the candidates again; None: they stay as the detector finds them.
    ``aligner``: contract id of the aligner that corrects the landmarks; None: likewise.
    """

    color: Literal["RGB"] = "RGB"
    normalization: Literal["in-graph"] = "in-graph"
    max_side: int = Field(default=640, ge=32)
    min_side: int = Field(default=640, ge=1)
    multiple: Literal[32] = 32
    pad_value: int = Field(default=114, ge=0, le=255)
    refiner: _Hex16 | None = None
    aligner: _Hex16 | None = None


class EmbedderPreprocessing(_Strict):
    """How a face becomes the embedder's input."""

    color: Literal["RGB"] = "RGB"
    normalization: Literal["in-graph"] = "in-graph"
    size: Literal[112] = 112
    template: Literal["arcface"] = "arcface"
    interpolation: Literal["bicubic"] = "bicubic"


class AlignerPreprocessing(_Strict):
    """How a face becomes the aligner's input: a view of the middle of the template."""

    color: Literal["RGB"] = "RGB"
    normalization: Literal["in-graph"] = "in-graph"
    size: Literal[64] = 64
    template: Literal["arcface"] = "arcface"


class RefinerPreprocessing(_Strict):
    """How a candidate becomes the refiner's input: the square around its box, and some more."""

    color: Literal["RGB"] = "RGB"
    normalization: Literal["in-graph"] = "in-graph"
    size: Literal[64] = 64
    context: Annotated[float, Field(ge=1.6, le=1.6)] = 1.6


_PREPROCESSING: Mapping[Kind, type[_Strict]] = {
    "detector": DetectorPreprocessing,
    "embedder": EmbedderPreprocessing,
    "aligner": AlignerPreprocessing,
    "refiner": RefinerPreprocessing,
}


class ModelEntry(_Strict):
    """One model of the manifest."""

    file: _FileName
    sha256: _Hex64
    architecture: str
    contract_id: _Hex16
    preprocessing: dict[str, JsonValue]
    calibration: dict[str, float] = {}
    metrics: dict[str, JsonValue] = {}
    training: dict[str, JsonValue] = {}


class Manifest(_Strict):
    """``manifest.json`` of a weights folder."""

    version: Literal[1]
    models: dict[Kind, dict[str, ModelEntry]]
    default: dict[Kind, str]


@dataclass(frozen=True)
class Weights:
    """Verified weights, ready to load.

    model: the ONNX file, or its bytes. name: for messages and reports.
    """

    model: Path | bytes
    name: str
    sha256: str
    preprocessing: Mapping[str, JsonValue]
    calibration: Mapping[str, float]
    contract_id: str


def compute_contract_id(weights_sha256: str, preprocessing: Mapping[str, JsonValue]) -> str:
    """First 16 hex digits of SHA-256 over the weights' SHA-256 and canonical JSON.

    Canonical: keys sorted, no spaces, ASCII.
    """
    canonical = json.dumps(dict(preprocessing), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256((weights_sha256 + canonical).encode("ascii")).hexdigest()[:16]


def default_preprocessing(kind: Kind) -> dict[str, JsonValue]:
    """What a bare ONNX file, without a manifest, is fed with."""
    return _PREPROCESSING[kind]().model_dump(exclude_none=True)


def weights_dir() -> Path:
    """The folder of the default weights: ``$FACEFLOW_WEIGHTS``, or the one in the package.

    Raises:
        SettingsError: the variable names no folder, or its name is misspelt.
    """
    check_variables({WEIGHTS_VARIABLE})
    chosen = os.environ.get(WEIGHTS_VARIABLE)
    if chosen and not Path(chosen).is_dir():
        raise SettingsError(
            f"{WEIGHTS_VARIABLE} is {chosen!r}; it should be a folder with {MANIFEST_NAME}"
        )
    return Path(chosen) if chosen else shipped_dir()


def shipped_dir() -> Path:
    """The weights that come with this version."""
    return Path(str(resources.files("faceflow_ml.weights")))


def read_manifest(folder: Path) -> Manifest:
    """Read and validate the manifest of a weights folder; WeightsError if there is none."""
    path = folder / MANIFEST_NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise WeightsError(
            f"no weights: {path} does not exist. Reinstall faceflow-ml, or point "
            f"{WEIGHTS_VARIABLE} at a folder with {MANIFEST_NAME}"
        ) from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise WeightsError(
            f"{path} is not a manifest this version reads: {place}: {first['msg']}"
        ) from error


def resolve(kind: Kind, reference: str | os.PathLike[str] | None = None) -> Weights:
    """Find and verify weights.

    reference: None for the default; a name in the default manifest; a path to an .onnx file (used
        with default preprocessing, no calibration, unless a manifest beside it lists it) or to a
        folder with a manifest; or an MLflow URI, ``models:/name@alias`` or ``models:/name/3``.
    Raises WeightsError if there is no such model, or its file is missing or altered.
    """
    if reference is None:
        return from_folder(kind, weights_dir(), None)
    text = os.fspath(reference)
    if text.startswith("models:/"):
        return _from_path(kind, _download(text))
    path = Path(text)
    named = not isinstance(reference, os.PathLike) and path.name == text and path.suffix != ".onnx"
    if named and not path.is_dir():
        return from_folder(kind, weights_dir(), text)
    return _from_path(kind, path)


def from_bytes(kind: Kind, model: bytes) -> Weights:
    """Weights given as the bytes of an ONNX file, with default preprocessing."""
    digest = hashlib.sha256(model).hexdigest()
    preprocessing = default_preprocessing(kind)
    contract_id = compute_contract_id(digest, preprocessing)
    return Weights(model, kind, digest, preprocessing, {}, contract_id)


def _from_path(kind: Kind, path: Path) -> Weights:
    if path.is_dir():
        # A model from a registry keeps its weights folder among other files.
        manifests = (
            [path / MANIFEST_NAME]
            if (path / MANIFEST_NAME).exists()
            else sorted(path.rglob(MANIFEST_NAME))
        )
        if len(manifests) == 1:
            return from_folder(kind, manifests[0].parent, None)
        # Hidden folders hold what a killed export had not checked yet.
        models = [
            model
            for model in sorted(path.rglob("*.onnx"))
            if not any(part.startswith(".") for part in model.relative_to(path).parts)
        ]
        if len(models) != 1:
            raise WeightsError(
                f"{path}: expected {MANIFEST_NAME} or exactly one .onnx file, found {len(models)}"
            )
        path = models[0]
    if (path.parent / MANIFEST_NAME).exists():
        listed = read_manifest(path.parent).models.get(kind, {})
        for name, entry in listed.items():
            if entry.file == path.name:
                return from_folder(kind, path.parent, name)
    digest = _file_sha256(path)
    preprocessing = default_preprocessing(kind)
    contract_id = compute_contract_id(digest, preprocessing)
    return Weights(path, path.stem, digest, preprocessing, {}, contract_id)


def from_folder(kind: Kind, folder: Path, name: str | None) -> Weights:
    """The verified model of a kind and a name, or the default one, of a folder of weights."""
    manifest = read_manifest(folder)
    models = manifest.models.get(kind, {})
    name = name if name is not None else manifest.default.get(kind)
    entry = models.get(name) if name is not None else None
    if name is None or entry is None:
        known = ", ".join(sorted(models)) or "none"
        raise WeightsError(f"no {kind} {name!r} in {folder / MANIFEST_NAME}; it lists: {known}")
    path = folder / entry.file
    found = _file_sha256(path)
    if found != entry.sha256:
        raise WeightsError(
            f"{path} was altered: expected sha256 {entry.sha256}, found {found}. Restore the file "
            "(reinstall faceflow-ml), or load it by its path outside this folder if it is yours"
        )
    contract_id = compute_contract_id(entry.sha256, entry.preprocessing)
    if contract_id != entry.contract_id:
        raise WeightsError(
            f"{folder / MANIFEST_NAME}: {kind} {name!r} has contract id {entry.contract_id}, but "
            f"its weights and preprocessing give {contract_id}: the manifest was edited by hand. "
            "Restore it (reinstall faceflow-ml) or export the model again"
        )
    return Weights(path, name, found, entry.preprocessing, entry.calibration, contract_id)


def override(weights: Weights, **changes: JsonValue) -> Weights:
    """Weights with other preprocessing settings (None keeps one), hence another contract id."""
    changes = {key: value for key, value in changes.items() if value is not None}
    if not changes:
        return weights
    preprocessing = {**weights.preprocessing, **changes}
    contract_id = compute_contract_id(weights.sha256, preprocessing)
    return replace(weights, preprocessing=preprocessing, contract_id=contract_id)


def parse_preprocessing(schema: type[Schema], weights: Weights) -> Schema:
    """The typed preprocessing; WeightsError if this version does not know how to do it."""
    try:
        return schema.model_validate(dict(weights.preprocessing))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise WeightsError(
            f"{weights.name}: unknown preprocessing {place}: {first['msg']}; a newer version of "
            "faceflow-ml may read it"
        ) from error


def _file_sha256(path: Path) -> str:
    try:
        status = path.stat()
        return _hash(os.fspath(path.resolve()), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise WeightsError(
            f"weights file {path} cannot be read: {error.strerror}. Restore it (reinstall "
            "faceflow-ml) or give another path"
        ) from error


@lru_cache(maxsize=64)
def _hash(path: str, _size: int, _mtime_ns: int) -> str:
    # Cached by size and time too: a process that opens many sessions reads each file once.
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(uri: str) -> Path:
    try:
        from mlflow.artifacts import download_artifacts
    except ImportError as error:
        raise WeightsError(
            f"{uri} needs MLflow: pip install 'faceflow-ml[train]', or give a path"
        ) from error
    try:
        return Path(download_artifacts(artifact_uri=uri))
    except Exception as error:  # MLflow, its stores and their clients each raise their own
        raise WeightsError(f"{uri}: cannot be fetched: {error}") from error
