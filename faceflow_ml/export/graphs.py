"""What is exported: a trained network with its pre- and post-processing in the graph.

The graphs take uint8 photos as decoders give them, ``(n, h, w, 3)`` RGB, so that no runtime has
its own idea of normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.pretrained import MANIFEST_NAME, read_manifest
from faceflow_ml.inference.types import VIEW_SIZE
from faceflow_ml.models.aligner import Aligner
from faceflow_ml.models.iresnet import IResNet
from faceflow_ml.models.mobilenetv3_fpn import (
    MobileNetV3FPN,
    decode_boxes,
    decode_landmarks,
    make_points,
)
from faceflow_ml.models.registry import Kind, create_model
from faceflow_ml.models.view_network import ViewNetwork
from faceflow_ml.training.checkpoints import load_checkpoint
from faceflow_ml.training.warm_start import load_onnx_weights

_EXAMPLE_SIZES: dict[Kind, tuple[int, int]] = {
    "detector": (256, 320),
    "embedder": (112, 112),
    "aligner": (VIEW_SIZE, VIEW_SIZE),
    "refiner": (VIEW_SIZE, VIEW_SIZE),
}


class DetectorGraph(nn.Module):
    """``images`` (n, h, w, 3) uint8, sides multiples of 32, to ``scores`` (n, a), ``boxes``
    (n, a, 4) and ``landmarks`` (n, a, 10) in pixels."""

    output_names = ("scores", "boxes", "landmarks")

    def __init__(self, model: MobileNetV3FPN) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raw = self.model(images.permute(0, 3, 1, 2).float())
        points = make_points(images.shape[1], images.shape[2], images.device)
        boxes = decode_boxes(raw.distances, points)
        landmarks = decode_landmarks(raw.offsets, points).flatten(2)
        return raw.logits.sigmoid(), boxes, landmarks


class EmbedderGraph(nn.Module):
    """``images`` (n, 112, 112, 3) uint8 to ``embeddings`` (n, 512) of length 1 and ``norms`` (n,).

    A face and its mirror image are embedded and averaged, which lowers the error for twice the
    time; the length of that average before normalisation is the norm.
    """

    output_names = ("embeddings", "norms")

    def __init__(self, model: IResNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.permute(0, 3, 1, 2).float()
        # One pass over both: two would hold two copies of what a quantizer makes of the weights.
        average = self.model(torch.cat([x, x.flip(3)])).unflatten(0, (2, -1)).mean(dim=0)
        return F.normalize(average), average.norm(dim=1)


class AlignerGraph(nn.Module):
    """``images`` (n, 64, 64, 3) uint8 to ``corrections`` (n, 4), see `inference.aligner`."""

    output_names = ("corrections",)

    def __init__(self, model: Aligner) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.model(images.permute(0, 3, 1, 2).float()),)


class RefinerGraph(nn.Module):
    """``images`` (n, 64, 64, 3) uint8 to ``judgements`` (n, 5), see `inference.refiner`."""

    output_names = ("judgements",)

    def __init__(self, model: ViewNetwork) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.model(images.permute(0, 3, 1, 2).float()),)


def load_graph(
    kind: Kind, checkpoint: Path, averaged_with: Sequence[Path] = ()
) -> tuple[nn.Module, dict[str, Any]]:
    """Build the graph of a checkpoint with its averaged weights, ready for inference.

    Args:
        kind: "detector", "refiner", "aligner" or "embedder".
        checkpoint: of `faceflow-ml train`, or exported ONNX in single or half precision with its
            manifest beside it.
        averaged_with: checkpoints of the same training, gone on with, or of others from the same
            start: the model has the mean of all their weights (model soups, Wortsman et al. 2022).

    Returns:
        The module in evaluation mode, and the training configuration of ``checkpoint``.

    Raises:
        FaceFlowError: a file is no checkpoint, or one of another kind or architecture of model.
    """
    model, config = _load_model(kind, checkpoint)
    if averaged_with:
        others = [_load_model(kind, other) for other in averaged_with]
        for file, (_, other) in zip(averaged_with, others, strict=True):
            if other["model"]["name"] != config["model"]["name"]:
                raise FaceFlowError(
                    f"{file} is another model than {checkpoint}: their weights have no mean"
                )
        _average(model, [other for other, _ in others])
    return _graph(kind, model), config


def _average(model: nn.Module, others: Sequence[nn.Module]) -> None:
    states = [other.state_dict() for other in others]
    for name, value in model.state_dict().items():
        if value.is_floating_point():  # counters are not averaged
            value.copy_(torch.stack([value, *(state[name] for state in states)]).mean(dim=0))


def _load_model(kind: Kind, checkpoint: Path) -> tuple[nn.Module, dict[str, Any]]:
    if checkpoint.suffix == ".onnx":
        return _load_exported(kind, checkpoint)
    content = load_checkpoint(checkpoint)
    about = content["faceflow"]
    if about["kind"] != kind:
        raise FaceFlowError(f"{checkpoint} holds a {about['kind']}, not a {kind}")
    config = about["config"]
    options = {"input_size": config["model"]["input_size"]} if kind == "embedder" else {}
    model = create_model(kind, config["model"]["name"], **options)
    weights = {
        key.removeprefix("model."): value
        for key, value in content["state_dict"].items()
        if key.startswith("model.")
    }
    model.load_state_dict(weights)
    if kind == "embedder" and options["input_size"] != 112:
        raise FaceFlowError(
            f"{checkpoint} was trained at {options['input_size']} px: only embedders trained "
            "at 112 px, the size of aligned faces, are exported"
        )
    return model, config


def _load_exported(kind: Kind, file: Path) -> tuple[nn.Module, dict[str, Any]]:
    entries = read_manifest(file.parent).models.get(kind, {}).values()
    entry = next((entry for entry in entries if entry.file == file.name), None)
    if entry is None:
        raise FaceFlowError(f"{file}: {MANIFEST_NAME} beside it lists no such {kind}")
    model = create_model(kind, entry.architecture)
    load_onnx_weights(model, file, [example_images(kind).permute(0, 3, 1, 2).float()])
    return model, cast(dict[str, Any], entry.training["config"])


def _graph(kind: Kind, model: nn.Module) -> nn.Module:
    if kind == "embedder":
        return EmbedderGraph(cast(IResNet, model)).eval()
    if kind == "aligner":
        return AlignerGraph(cast(Aligner, model)).eval()
    if kind == "refiner":
        return RefinerGraph(cast(ViewNetwork, model)).eval()
    return DetectorGraph(cast(MobileNetV3FPN, model)).eval()


def example_images(kind: Kind) -> Tensor:
    """Random photos to trace a graph with."""
    height, width = _EXAMPLE_SIZES[kind]
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8, generator=generator)
