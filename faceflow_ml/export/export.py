"""`export_model`: write a checkpoint's model, compare it with PyTorch, list it in a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import nn

from faceflow_ml.data.detection_sources import read_detections
from faceflow_ml.data.face_views import cut_views, sample_corrections
from faceflow_ml.data.identity_sources import read_identities
from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.export.formats import (
    Precision,
    write_fp16,
    write_int8,
    write_onnx,
    write_torchscript,
)
from faceflow_ml.export.graphs import example_images, load_graph
from faceflow_ml.export.parity import Parity, compare
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.companions import copy_companions, default_companions
from faceflow_ml.inference.pretrained import (
    MANIFEST_NAME,
    Manifest,
    ModelEntry,
    Weights,
    compute_contract_id,
    default_preprocessing,
    read_manifest,
)
from faceflow_ml.inference.refiner import box_view
from faceflow_ml.models.registry import Kind

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")  # as in the manifest
_PHOTOS = 64  # for parity, and for the activation ranges of int8
_TOLERANCE = {"fp32": (1e-3, 0.5, 0.9999), "fp16": (0.02, 2.0, 0.999)}
"""By precision: score difference, pixel difference and cosine beyond which an export failed.
int8 has none: its cost is measured by `faceflow-ml evaluate`, and accepted or not."""


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        model: the ONNX file listed in the manifest.
        torchscript: the TorchScript file.
        bytes: size of the ONNX file.
        contract_id: of the model.
        parity: comparison of each file with PyTorch.
    """

    model: Path
    torchscript: Path
    bytes: int
    contract_id: str
    parity: list[Parity]


def export_model(
    kind: Kind,
    checkpoint: Path,
    out: Path,
    *,
    name: str | None = None,
    precision: Precision = "fp32",
    data: Path | None = None,
    preprocessing: dict[str, JsonValue] | None = None,
    averaged_with: Sequence[Path] = (),
) -> ExportResult:
    """Export a checkpoint to ``out/<name>.onnx`` and ``out/<name>.ts``.

    ``out/manifest.json`` gains the model as the default of its kind, so that `out` can be loaded
    with ``from_pretrained(out)``, and ``out/<name>.parity.json`` says how closely the files agree.
    They take the place of an earlier model of that name after all checks: an export that fails
    changes nothing.

    Args:
        kind: "detector", "refiner", "aligner" or "embedder".
        checkpoint: of `faceflow-ml train`, or exported ONNX in single or half precision.
        out: folder; made if it is missing.
        name: of the model; by default the architecture's.
        precision: fp32; fp16 stores half the bytes; int8 computes with integers.
        data: photos (Parquet) to compare on, and to calibrate int8 with; without it random
            pixels, which int8 refuses.
        preprocessing: settings that differ from the default, part of the contract. A detector
            uses the default refiner and aligner, if they name no others.
        averaged_with: more checkpoints, whose weights are averaged with these; see `load_graph`.

    Raises:
        ConfigError: int8 without data, or a name that is no file name.
        FaceFlowError: the checkpoint is no such model, or an exported file disagrees with PyTorch.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise ConfigError(
            f"expected a name of letters, digits, '.', '_' and '-', not beginning with '.' or '-', "
            f"got {name!r}"
        )
    if precision == "int8" and data is None:
        raise ConfigError("int8 needs --data: photos that show the range of the activations")
    graph, config = load_graph(kind, checkpoint, averaged_with)
    name = name or str(config["model"]["name"])
    batches = _photos(kind, data)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as folder:
        work = Path(folder)
        file, script = work / f"{name}.onnx", work / f"{name}.ts"
        _write(kind, graph, file, script, precision, batches)
        parity = [
            _checked(kind, graph, file, batches, precision),
            _checked(kind, graph, script, batches, "fp32"),
        ]
        report = work / f"{name}.parity.json"
        atomic_write_text(report, json.dumps([asdict(p) for p in parity], indent=2) + "\n")
        settings = default_preprocessing(kind)
        if kind == "detector":
            for companion, contract_id in default_companions(out).items():
                settings[companion] = contract_id
        settings |= preprocessing or {}
        entry = _entry(file, config, 1 + len(averaged_with), precision, settings)
        size = file.stat().st_size
        manifest = work / "manifest"
        atomic_write_text(
            manifest, _manifest(out, kind, name, entry).model_dump_json(indent=2) + "\n"
        )
        for finished in (script, report, file):
            os.replace(finished, out / finished.name)
        # Right after the model: between the two, the folder holds one that it does not list.
        os.replace(manifest, out / MANIFEST_NAME)
    return ExportResult(out / file.name, out / script.name, size, entry.contract_id, parity)


def _write(
    kind: Kind,
    graph: nn.Module,
    file: Path,
    script: Path,
    precision: Precision,
    batches: list[NDArray[np.uint8]],
) -> None:
    full = file if precision == "fp32" else file.with_suffix(".fp32.onnx")
    write_onnx(kind, graph, full)
    if precision == "fp16":
        write_fp16(full, file)
    elif precision == "int8":
        write_int8(full, file, batches)
    write_torchscript(kind, graph, script)


def _checked(
    kind: Kind, graph: nn.Module, file: Path, batches: list[NDArray[np.uint8]], precision: Precision
) -> Parity:
    parity = compare(kind, graph, file, batches)
    if precision in _TOLERANCE:
        score, pixels, cosine = _TOLERANCE[precision]
        if parity.score > score or parity.pixels > pixels or parity.cosine < cosine:
            raise FaceFlowError(f"{file.name} does not agree with PyTorch: {parity}")
    return parity


def _photos(kind: Kind, data: Path | None) -> list[NDArray[np.uint8]]:
    """Batches in the graph's input form."""
    if data is None:
        return [example_images(kind).numpy()]
    if kind in ("embedder", "aligner"):
        faces = [sample.decode() for sample in read_identities(data, "val", limit=_PHOTOS)]
        batches = [np.stack(faces[i : i + 8]) for i in range(0, len(faces), 8)]
        return batches if kind == "embedder" else [_views(batch) for batch in batches]
    samples = read_detections(data, "val", limit=_PHOTOS)
    if kind == "refiner":
        labelled = [(s.decode(), s.boxes.astype(np.float64)) for s in samples if len(s.boxes)]
        return [np.stack([box_view(photo, box) for box in boxes]) for photo, boxes in labelled]
    return [_pad(sample.decode())[None] for sample in samples]


def _views(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Faces as aligners see them: not quite aligned."""
    planar = torch.from_numpy(faces).permute(0, 3, 1, 2).float()
    corrections = sample_corrections(len(faces), torch.Generator().manual_seed(0))
    return cut_views(planar, corrections).round().byte().permute(0, 2, 3, 1).numpy()


def _pad(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bottom, right = (-photo.shape[0]) % 32, (-photo.shape[1]) % 32
    padded = cv2.copyMakeBorder(photo, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(114,) * 3)
    return np.asarray(padded, np.uint8)


def _entry(
    file: Path,
    config: dict[str, Any],
    checkpoints: int,
    precision: Precision,
    preprocessing: dict[str, JsonValue],
) -> ModelEntry:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return ModelEntry(
        file=file.name,
        sha256=digest,
        architecture=config["model"]["name"],
        contract_id=compute_contract_id(digest, preprocessing),
        preprocessing=preprocessing,
        training={"config": config, "checkpoints": checkpoints, "precision": precision},
    )


def _manifest(out: Path, kind: Kind, name: str, entry: ModelEntry) -> Manifest:
    """The manifest of ``out`` with a model and, copied there, the models that it uses."""
    manifest = (
        read_manifest(out)
        if (out / MANIFEST_NAME).exists()
        else Manifest(version=1, models={}, default={})
    )
    added: dict[Kind, dict[str, ModelEntry]] = {kind: {name: entry}}
    if kind == "detector":
        weights = Weights(
            out / entry.file, name, entry.sha256, entry.preprocessing, {}, entry.contract_id
        )
        added |= copy_companions(weights, out)
    models = {k: dict(v) for k, v in manifest.models.items()}
    default = dict(manifest.default)
    for k, entries in added.items():
        models.setdefault(k, {}).update(entries)
        default[k] = next(iter(entries))
    return Manifest(version=1, models=models, default=default)
