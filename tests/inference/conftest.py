"""Tiny ONNX models that obey the contracts of detector and embedder, and answer by the image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from faceflow_ml.inference.pretrained import Kind, compute_contract_id, default_preprocessing

STRIDES = (8, 16, 32)
# Landmarks of the toy faces, in half-sizes of the box from its centre.
LANDMARKS = np.array([[-0.4, -0.3], [0.4, -0.3], [0.0, 0.1], [-0.3, 0.5], [0.3, 0.5]])


class Graph:
    """Nodes and constants of an ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, op: str, *inputs: str, outputs: int = 1, name: str = "", **attributes):
        names = [name or f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def const(self, value) -> str:
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def images(self, size: int | str) -> str:
        """The input as NCHW float in [0, 255]."""
        self.input = helper.make_tensor_value_info(
            "images", TensorProto.UINT8, ["n", size, size if size == 112 else "w", 3]
        )
        return self("Transpose", self("Cast", "images", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])

    def build(self, outputs: dict[str, list[int | str]]) -> bytes:
        infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, "toy", [self.input], infos, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def build_detector(*, factor: float = 1.0, offset: float = 0.0) -> bytes:
    """Each cell of each stride scores (red - green) / 255, times less than 1 for fine strides.

    Its box is centred in the cell, with the mean of blue as its half-size in input pixels.
    Scores are multiplied by ``factor``, which may be NaN, and boxes moved by ``offset``.
    """
    g = Graph()
    pixels = g.images("h")
    parts: dict[str, list[str]] = {"scores": [], "boxes": [], "landmarks": []}
    for stride, weight in zip(STRIDES, (0.8, 0.9, 1.0), strict=True):
        pooled = g("AveragePool", pixels, kernel_shape=[stride] * 2, strides=[stride] * 2)
        red, green, half = g("Split", pooled, axis=1, outputs=3)
        score = g("Mul", g("Sub", red, green), g.const([weight / 255]))
        score = g(
            "Mul",
            g("Clip", score, g.const(np.float32(0)), g.const(np.float32(1))),
            g.const([factor]),
        )
        one = g("Add", g("Mul", red, g.const([0.0])), g.const([1.0]))
        centre = []
        for axis in (3, 2):
            count = g("CumSum", one, g.const(np.int64(axis)))
            centre.append(g("Mul", g("Sub", count, g.const([0.5])), g.const([float(stride)])))
        corner = [
            g("Add", g("Add", centre[axis], g("Mul", half, g.const([sign]))), g.const([offset]))
            for sign in (-1.0, 1.0)
            for axis in (0, 1)
        ]
        point = [
            g("Add", centre[axis], g("Mul", half, g.const([float(where[axis])])))
            for where in LANDMARKS
            for axis in (0, 1)
        ]
        for name, channels in (("scores", [score]), ("boxes", corner), ("landmarks", point)):
            stacked = g("Concat", *channels, axis=1)
            stacked = g("Transpose", stacked, perm=[0, 2, 3, 1])
            flat = g("Flatten", stacked, axis=1)
            if name != "scores":
                flat = g("Reshape", flat, g.const(np.array([0, -1, len(channels)])))
            parts[name].append(flat)
    for name, values in parts.items():
        g("Concat", *values, axis=1, name=name)
    return g.build({"scores": ["n", "a"], "boxes": ["n", "a", 4], "landmarks": ["n", "a", 10]})


def build_embedder(*, scale: float = 1.0) -> bytes:
    """A random projection of the crop at 14 x 14; vectors have length ``scale``."""
    g = Graph()
    pooled = g("AveragePool", g.images(112), kernel_shape=[8, 8], strides=[8, 8])
    flat = g("Flatten", g("Add", pooled, g.const([1.0])), axis=1)
    weights = np.random.default_rng(0).normal(size=(14 * 14 * 3, 512)) / 588
    raw = g("MatMul", flat, g.const(weights))
    norm = g("ReduceL2", raw, axes=[1], keepdims=1)
    g("Mul", g("Div", raw, norm), g.const([scale]), name="embeddings")
    g("Squeeze", norm, g.const(np.array([1])), name="norms")
    return g.build({"embeddings": ["n", 512], "norms": ["n"]})


@pytest.fixture(scope="session")
def detector_onnx() -> bytes:
    return build_detector()


@pytest.fixture(scope="session")
def embedder_onnx() -> bytes:
    return build_embedder()


@pytest.fixture(scope="session")
def make_detector():
    return build_detector


@pytest.fixture(scope="session")
def make_embedder():
    return build_embedder


def write_weights(
    folder: Path, detector: bytes, companions: Mapping[Kind, bytes], *, missing: str = ""
) -> dict[Kind, str]:
    """A folder with a detector that names other models, all there but the ``missing`` kind.

    Returns the contract ids of those models.
    """
    entries: dict[Kind, dict[str, object]] = {}
    named: dict[Kind, str] = {}
    for kind, model in {**companions, "detector": detector}.items():  # the detector names others
        settings = default_preprocessing(kind) | (named if kind == "detector" else {})
        digest = hashlib.sha256(model).hexdigest()
        entries[kind] = {
            "file": f"{kind}.onnx",
            "sha256": digest,
            "architecture": "toy",
            "contract_id": compute_contract_id(digest, settings),
            "preprocessing": settings,
        }
        if kind != "detector":
            named[kind] = str(entries[kind]["contract_id"])
        (folder / f"{kind}.onnx").write_bytes(model)
    present = [kind for kind in entries if kind != missing]
    document = {
        "version": 1,
        "models": {kind: {"toy": entries[kind]} for kind in present},
        "default": dict.fromkeys(present, "toy"),
    }
    (folder / "manifest.json").write_text(json.dumps(document))
    return named
