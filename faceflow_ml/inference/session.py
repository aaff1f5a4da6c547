"""ONNX Runtime sessions with the thread and provider settings that all models share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from faceflow_ml.errors import FaceFlowError, WeightsError
from faceflow_ml.inference.checks import check_count

Device = Literal["cpu", "cuda", "auto"]

_SEVERITY_ERROR = 3


class Session:
    """A loaded model: named uint8 ``images`` in, named float32 arrays out. Thread-safe."""

    def __init__(self, runtime: ort.InferenceSession, outputs: Mapping[str, int], name: str):
        self._runtime = runtime
        self._outputs = dict(outputs)
        self._name = name

    @property
    def providers(self) -> list[str]:
        """Execution providers in use, the preferred first."""
        return list(self._runtime.get_providers())

    def run(self, images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], ...]:
        """The outputs for one batch, in the order the session was opened with.

        Raises FaceFlowError if the runtime fails, WeightsError if an output has another shape
        than the contract says or is not finite.
        """
        try:
            values = self._runtime.run(list(self._outputs), {"images": images})
        except Exception as error:  # the runtime's exceptions share no public base class
            raise FaceFlowError(f"{self._name}: ONNX Runtime failed: {error}") from error
        for (name, rank), value in zip(self._outputs.items(), values, strict=True):
            if value.ndim != rank or len(value) != len(images):
                raise WeightsError(
                    f"{self._name}: output {name!r} has shape {value.shape}, expected {rank} "
                    f"dimensions, the first {len(images)}"
                )
            if not np.isfinite(value).all():
                raise WeightsError(f"{self._name}: output {name!r} is not finite (NaN or infinity)")
        return tuple(np.asarray(value, dtype=np.float32) for value in values)


def open_session(
    model: str | os.PathLike[str] | bytes,
    outputs: Mapping[str, int],
    *,
    threads: int | None = None,
    device: Device = "cpu",
) -> Session:
    """Load an ONNX model whose input is ``images``, uint8 (n, H, W, 3).

    model: a path, or the bytes of the file.
    outputs: the names it must have, with their number of dimensions.
    threads: threads for one inference; None lets ONNX Runtime take every physical core. With a
        limit, idle threads sleep instead of spinning, so that sessions side by side do not take
        the cores from each other.
    device: "cuda" demands a GPU, "auto" takes one if the installed runtime has it.
    Raises WeightsError if the model cannot be loaded or does not fit, FaceFlowError if a GPU was
    asked for and there is none.
    """
    options = ort.SessionOptions()
    options.log_severity_level = _SEVERITY_ERROR
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = check_count(threads, "threads")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = _providers(device)
    source = model if isinstance(model, bytes) else os.fspath(model)
    name = "model" if isinstance(source, bytes) else source
    try:
        runtime = ort.InferenceSession(source, sess_options=options, providers=providers)
    except Exception as error:  # the runtime's exceptions share no public base class
        raise WeightsError(f"{name}: not a model that ONNX Runtime can load: {error}") from error
    if device == "cuda" and "CUDAExecutionProvider" not in runtime.get_providers():
        raise FaceFlowError("the CUDA provider of ONNX Runtime did not start (driver, libraries?)")
    _check_signature(runtime, outputs, name)
    return Session(runtime, outputs, name)


def _providers(device: Device) -> Sequence[str]:
    if device not in ("cpu", "cuda", "auto"):
        raise ValueError(f"expected device 'cpu', 'cuda' or 'auto', got {device!r}")
    available = ort.get_available_providers()
    if device == "cuda" and "CUDAExecutionProvider" not in available:
        raise FaceFlowError(
            f"no CUDA in this ONNX Runtime (it has {', '.join(available)}); "
            "install faceflow-ml[gpu] or use device='cpu'"
        )
    cuda = device != "cpu" and "CUDAExecutionProvider" in available
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if cuda else ["CPUExecutionProvider"]


def _check_signature(runtime: ort.InferenceSession, outputs: Mapping[str, int], name: str) -> None:
    def signature(values: Sequence[Any]) -> str:
        return ", ".join(f"{v.name}: {v.type} {v.shape}" for v in values)

    inputs, found = runtime.get_inputs(), runtime.get_outputs()
    images = inputs[0] if len(inputs) == 1 else None
    if (
        images is None
        or images.name != "images"
        or images.type != "tensor(uint8)"
        or len(images.shape) != 4
        or images.shape[3] != 3
    ):
        raise WeightsError(
            f"{name}: expected one input 'images' uint8 (n, H, W, 3), got {signature(inputs)}"
        )
    types = {value.name: value.type for value in found}
    if any(types.get(output) != "tensor(float)" for output in outputs):
        raise WeightsError(
            f"{name}: expected float outputs {', '.join(outputs)}, got {signature(found)}"
        )
