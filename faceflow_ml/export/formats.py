"""Writers of ONNX at three precisions and of TorchScript."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from faceflow_ml.export.graphs import example_images
from faceflow_ml.files import atomic_path
from faceflow_ml.models.registry import Kind

Precision = Literal["fp32", "fp16", "int8"]

_OPSET = 20
_LARGE = 1024  # smaller tensors keep their precision; they weigh nothing
_FLOAT_CONVOLUTIONS = 4  # at the start of a quantized graph


def write_onnx(kind: Kind, graph: nn.Module, file: Path) -> None:
    """Write float32 ONNX, with a dynamic batch and, for the detector, dynamic sides."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    shape: dict[int, Any] = {0: batch}
    if kind == "detector":
        shape[1] = 32 * torch.export.Dim("rows", min=1, max=256)
        shape[2] = 32 * torch.export.Dim("columns", min=1, max=256)
    with atomic_path(file) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            graph,
            (example_images(kind),),
            dynamo=True,
            opset_version=_OPSET,
            input_names=["images"],
            output_names=list(graph.output_names),  # type: ignore[arg-type]
            dynamic_shapes=(shape,),
            verbose=False,
        )
        assert program is not None
        program.save(str(temporary), external_data=False)
        _save(_without_origin(onnx.load(str(temporary))), temporary)


def write_fp16(source: Path, file: Path) -> None:
    """Store the weights in half precision and compute in single: half the size, same speed.

    The runtime widens the weights once, when it loads the model.
    """
    model = onnx.load(str(source))
    initializers = list(model.graph.initializer)
    casts = []
    del model.graph.initializer[:]
    for tensor in initializers:
        array = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or array.size < _LARGE:
            model.graph.initializer.append(tensor)
            continue
        half = numpy_helper.from_array(array.astype(np.float16), tensor.name + "_fp16")
        model.graph.initializer.append(half)
        casts.append(
            helper.make_node("Cast", [half.name], [tensor.name], to=int(TensorProto.FLOAT))
        )
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    _save(model, file)


def write_int8(source: Path, file: Path, calibration: list[NDArray[np.uint8]]) -> None:
    """Quantize convolutions to 8 bits, static, per channel, QDQ format.

    The first ones, whose inputs vary most and whose errors go through all that follows, and the
    last linear layer stay in floating point: they are little of the work.

    Weights take 7 of the 8 bits: sums of two products then fit the 16 bits that processors
    without VNNI have for them, so that all processors give the same. What stays in floating point
    is stored in half precision.

    Args:
        source: float32 ONNX.
        file: where to write.
        calibration: batches of real photos, in the graph's input form, that show the range of
            every activation.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[NDArray[np.uint8]] = iter(calibration)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch}

    with atomic_path(file) as temporary:
        prepared = temporary.with_name(temporary.name + ".prepared.onnx")
        try:
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            nodes = onnx.load(str(prepared)).graph.node
            convolutions = [node.name for node in nodes if node.op_type == "Conv"]
            quantize_static(
                str(prepared),
                str(temporary),
                Reader(),
                per_channel=True,
                reduce_range=True,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=convolutions[:_FLOAT_CONVOLUTIONS],
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            write_fp16(temporary, temporary)
        finally:
            prepared.unlink(missing_ok=True)


def write_torchscript(kind: Kind, graph: nn.Module, file: Path) -> None:
    """Write traced TorchScript."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(graph, (example_images(kind),), check_trace=False)
    with atomic_path(file) as temporary:
        traced.save(str(temporary))


def _without_origin(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the exporter's notes, which quote source lines and paths of this machine
    and would change the file's hash from one machine to the next."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


def _save(model: onnx.ModelProto, file: Path) -> None:
    onnx.checker.check_model(model)
    with atomic_path(file) as temporary:
        onnx.save(model, str(temporary))
