"""How far an exported file's outputs are from PyTorch's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

from faceflow_ml.inference.refiner import CONTEXT
from faceflow_ml.inference.types import VIEW_SIZE
from faceflow_ml.losses.alignment import template_displacements
from faceflow_ml.models.registry import Kind

_RELEVANT_SCORE = 0.3  # below it, boxes and landmarks are never read


@dataclass(frozen=True)
class Parity:
    """Largest differences over the compared photos.

    Attributes:
        file: name of the exported file.
        images: how many photos were compared.
        score: largest difference of scores (detector), log-odds (refiner) or corrections
            (aligner), else 0.
        pixels: largest difference of box sides and landmarks where the score is at least 0.3
            (detector), of a box's place in the view (refiner), or of the template's corrected
            points (aligner), else 0.
        cosine: lowest cosine between vectors of the same face (embedder), else 1.
    """

    file: str
    images: int
    score: float = 0.0
    pixels: float = 0.0
    cosine: float = 1.0


def compare(kind: Kind, graph: nn.Module, file: Path, batches: list[NDArray[np.uint8]]) -> Parity:
    """Run the PyTorch graph and the exported file on the same photos.

    Args:
        kind: which outputs to expect.
        graph: the module that was exported, in evaluation mode.
        file: ONNX (``.onnx``) or TorchScript (``.ts``).
        batches: photos in the graph's input form.
    """
    results = []
    for batch in batches:
        with torch.no_grad():
            expected = [o.numpy() for o in graph(torch.from_numpy(batch))]
        results.append(_differences(kind, expected, _run(file, batch)))
    score, pixels, distance = np.max(np.array(results), axis=0)
    return Parity(
        file.name,
        sum(len(batch) for batch in batches),
        score=float(score),
        pixels=float(pixels),
        cosine=float(1 - distance),
    )


def _run(file: Path, batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    if file.suffix == ".onnx":
        session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        return [np.asarray(output) for output in session.run(None, {"images": batch})]
    with torch.no_grad():
        return [o.numpy() for o in torch.jit.load(str(file))(torch.from_numpy(batch))]


def _differences(
    kind: Kind, expected: list[NDArray[np.float32]], found: list[NDArray[np.float32]]
) -> tuple[float, float, float]:
    """Score difference, pixel difference, cosine distance."""
    if kind == "embedder":
        return 0.0, 0.0, float(1 - (expected[0] * found[0]).sum(axis=1).min())
    if kind == "aligner":
        difference = np.abs(expected[0] - found[0]).max()
        points = [template_displacements(torch.from_numpy(o[0])) for o in (expected, found)]
        return float(difference), float((points[0] - points[1]).abs().max()), 0.0
    if kind == "refiner":
        odds, *changes = np.abs(expected[0] - found[0]).max(axis=0)
        return float(odds), float(max(changes)) * VIEW_SIZE / CONTEXT, 0.0
    relevant = expected[0] >= _RELEVANT_SCORE
    pixels = 0.0
    if relevant.any():
        pixels = max(
            float(np.abs(a[relevant] - b[relevant]).max())
            for a, b in zip(expected[1:], found[1:], strict=True)
        )
    return float(np.abs(expected[0] - found[0]).max()), pixels, 0.0
