"""What the server asks of a model: the one thing in which the two containers differ."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from faceflow_ml.errors import WeightsError
from faceflow_ml.inference import pretrained
from faceflow_ml.inference.pretrained import Kind
from faceflow_ml.inference.session import Device
from faceflow_ml.inference.types import ImageArray

Task = Literal["embedding", "detection"]
KINDS: dict[Task, Kind] = {"embedding": "embedder", "detection": "detector"}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ModelInfo:
    """Which model is served.

    contract_id: hash of weights and preprocessing. sha256: of the ONNX file. calibration: the
    numbers that its answers are read by, by key of the manifest.
    """

    task: Task
    name: str
    contract_id: str
    sha256: str
    calibration: Mapping[str, float]

    @property
    def attributes(self) -> str:
        """What callers behind SageMaker, which hands on no other header, have to know of it:
        ``contract_id=...;match_threshold=...``."""
        known = {"contract_id": self.contract_id, **self.calibration}
        return ";".join(f"{key}={value}" for key, value in known.items())


class Handler(Protocol[Answer]):
    """A loaded model. Methods are called in threads, several at a time."""

    @property
    def info(self) -> ModelInfo:
        """Which model it is."""
        ...

    def warm_up(self, batch: int) -> None:
        """Run batches up to this size, so that the first request need not wait for set-up."""
        ...

    def decode(self, data: bytes) -> ImageArray:
        """The pixels of one encoded image.

        Raises:
            ValueError: it cannot be read, or is not what the model takes; in one line.
        """
        ...

    def split(self, array: ImageArray) -> list[ImageArray]:
        """The images in an array of shape (n, h, w, 3), or (h, w, 3) for one.

        Raises:
            ValueError: the shape is not what the model takes.
        """
        ...

    def run(self, images: Sequence[ImageArray]) -> Sequence[Answer]:
        """One answer an image."""
        ...

    def to_json(self, answers: Sequence[Answer], *, single: bool) -> Any:
        """The answers to one request as a JSON document; single: it was for one image only."""
        ...

    def to_array(self, answers: Sequence[Answer]) -> npt.NDArray[np.float32]:
        """The answers to one request as one array."""
        ...


def load_handler(
    task: Task,
    model_dir: Path | None,
    *,
    threads: int | None,
    device: Device,
    max_pixels: int,
) -> Handler[Any]:
    """Load the model of a task.

    model_dir: folder with ONNX files and ``manifest.json``; None for the shipped weights.
    threads: of one inference; None for all cores.
    max_pixels: of a photo; larger ones are refused before they are decoded.

    Raises:
        WeightsError: the model is missing, altered or of another kind.
    """
    # Imported here, so that one container's process never loads what only the other one needs.
    if task == "embedding":
        from serving.embedding.handler import EmbeddingHandler

        return EmbeddingHandler(model_dir, threads=threads, device=device)
    from serving.detection.handler import DetectionHandler

    return DetectionHandler(model_dir, threads=threads, device=device, max_pixels=max_pixels)


def model_info(task: Task, model_dir: Path | None) -> ModelInfo:
    """Which model a folder holds; its hash is checked.

    Raises:
        WeightsError: see ``load_handler``.
    """
    if model_dir is not None and not model_dir.is_dir():
        raise WeightsError(f"there is no model folder {model_dir}")
    weights = pretrained.resolve(KINDS[task], model_dir)
    return ModelInfo(task, weights.name, weights.contract_id, weights.sha256, weights.calibration)


def npy_bytes(array: npt.NDArray[np.float32]) -> bytes:
    """An array in NumPy's format."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
