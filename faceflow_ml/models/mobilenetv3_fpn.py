"""Face detectors: MobileNetV3 (Howard et al., 2019), FPN (Lin et al., 2017), anchor-free heads.

One prediction a cell of the strides 8, 16 and 32: a score, the distances from the cell's centre to
the four sides of a box (FCOS, Tian et al., 2019), and five landmarks relative to the centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import timm
import torch
from timm.models import FeatureInfo
from torch import Tensor, nn
from torch.nn import functional as F

from faceflow_ml.models.registry import register_model

STRIDES = (8, 16, 32)
_PRIOR = 0.01  # share of cells that are faces, roughly; keeps the first steps of training calm
_MEAN = (123.7, 116.3, 103.5)
_STD = (58.4, 57.1, 57.4)


class RawPredictions(NamedTuple):
    """Predictions at ``a`` points, before decoding.

    Attributes:
        logits: ``(n, a)``; the sigmoid is the expected IoU of the box with a face.
        distances: ``(n, a, 4)`` left, top, right, bottom, in strides, positive.
        offsets: ``(n, a, 5, 2)`` landmarks minus the point, in strides.
    """

    logits: Tensor
    distances: Tensor
    offsets: Tensor


class Points(NamedTuple):
    """Where predictions are made: ``centres`` ``(a, 2)`` x, y px and ``strides`` ``(a,)`` px."""

    centres: Tensor
    strides: Tensor


def make_points(height: int, width: int, device: torch.device | None = None) -> Points:
    """Points of an image whose sides are multiples of 32, by stride, then row by row.

    >>> make_points(32, 64).centres.shape
    torch.Size([42, 2])
    """
    centres, strides = [], []
    for stride in STRIDES:
        ys = (torch.arange(height // stride, device=device) + 0.5) * stride
        xs = (torch.arange(width // stride, device=device) + 0.5) * stride
        grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij"), dim=-1).reshape(-1, 2)
        centres.append(grid.flip(1))
        strides.append(torch.full_like(grid[:, 0], float(stride)))
    return Points(torch.cat(centres), torch.cat(strides))


def decode_boxes(distances: Tensor, points: Points) -> Tensor:
    """Boxes ``(..., a, 4)`` xyxy in pixels from distances in strides."""
    outwards = torch.tensor([-1.0, -1.0, 1.0, 1.0], device=distances.device)
    return points.centres.repeat(1, 2) + distances * (points.strides[:, None] * outwards)


def decode_landmarks(offsets: Tensor, points: Points) -> Tensor:
    """Landmarks ``(..., a, 5, 2)`` in pixels from offsets in strides."""
    # Flat: runtimes take several times as long over rows of two numbers.
    pixels = points.centres.repeat(1, 5) + offsets.flatten(-2) * points.strides[:, None]
    return cast(Tensor, pixels.unflatten(-1, (5, 2)))


class SeparableConv(nn.Sequential):
    """Depthwise 3x3, pointwise, normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class FeaturePyramid(nn.Module):
    """Top-down pyramid: each map gains what the coarser ones know."""

    def __init__(self, inputs: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width)) for c in inputs
        )
        self.smooth = nn.ModuleList(SeparableConv(width, width) for _ in inputs)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        maps = [lateral(f) for lateral, f in zip(self.lateral, features, strict=True)]
        for i in range(len(maps) - 1, 0, -1):
            maps[i - 1] = maps[i - 1] + F.interpolate(maps[i], scale_factor=2.0, mode="nearest")
        return [smooth(m) for smooth, m in zip(self.smooth, maps, strict=True)]


class DetectionHead(nn.Module):
    """Predictions of one stride: 1 logit, 4 distances, 10 landmark offsets a cell."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.tower = nn.Sequential(*[SeparableConv(width, width) for _ in range(depth)])
        self.predict = nn.Conv2d(width, 15, 1)
        nn.init.normal_(self.predict.weight, std=0.01)
        bias = torch.zeros(15)
        bias[0] = -torch.log(torch.tensor((1 - _PRIOR) / _PRIOR))
        bias[1:5] = 1.0  # exp(1) strides to each side
        self.predict.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.predict(self.tower(x)).flatten(2).transpose(1, 2))


class MobileNetV3FPN(nn.Module):
    """Detector of any input size whose sides are multiples of 32.

    Args:
        backbone: a timm MobileNetV3, built with random weights.
        width: channels of the pyramid and the heads.
        depth: separable convolutions of each head.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(self, backbone: str, *, width: int, depth: int) -> None:
        super().__init__()
        self.backbone = timm.create_model(
            backbone, pretrained=False, features_only=True, out_indices=(2, 3, 4)
        )
        channels = cast(FeatureInfo, self.backbone.feature_info).channels()
        self.pyramid = FeaturePyramid(cast(list[int], channels), width)
        self.heads = nn.ModuleList(DetectionHead(width, depth) for _ in STRIDES)
        self.register_buffer("_mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> RawPredictions:
        """Predict for ``(n, 3, h, w)`` RGB images in [0, 255], uint8 or float."""
        x = (images.to(self._mean.dtype) - self._mean) / self._std
        maps = self.pyramid(self.backbone(x))
        y = torch.cat([head(m) for head, m in zip(self.heads, maps, strict=True)], dim=1)
        # exp keeps distances positive; beyond e^5 strides a gradient could only explode.
        distances = y[..., 1:5].clamp(-5.0, 5.0).exp()
        return RawPredictions(y[..., 0], distances, y[..., 5:].unflatten(2, (5, 2)))


@register_model("detector", "mobilenetv3_fpn_tiny")
def mobilenetv3_fpn_tiny() -> MobileNetV3FPN:
    """MobileNetV3-Small at half width: for phones and for tests."""
    return MobileNetV3FPN("mobilenetv3_small_050", width=32, depth=1)


@register_model("detector", "mobilenetv3_fpn_small")
def mobilenetv3_fpn_small() -> MobileNetV3FPN:
    """MobileNetV3-Small: the shipped size, for one CPU thread."""
    return MobileNetV3FPN("mobilenetv3_small_100", width=64, depth=2)


@register_model("detector", "mobilenetv3_fpn_large")
def mobilenetv3_fpn_large() -> MobileNetV3FPN:
    """MobileNetV3-Large: where an accelerator or more time is at hand."""
    return MobileNetV3FPN("mobilenetv3_large_100", width=96, depth=2)
