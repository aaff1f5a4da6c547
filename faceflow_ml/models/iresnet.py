"""IResNet face embedders (Duta et al., "Improved Residual Networks", 2020; ArcFace's variant).

All take ``(n, 3, s, s)`` RGB images with values in [0, 255] (uint8 or float; scaling is part of
the network) and return ``(n, 512)`` embeddings before normalisation. Their length grows with
image quality, which callers use; compare directions only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceflow_ml.models.registry import register_model

EMBEDDING_SIZE = 512


_WIDE = 384  # channels from which a matrix product learns faster than a convolution, on CPUs


class WideConv2d(nn.Conv2d):
    """A 3x3 convolution without bias over few pixels and many channels.

    oneDNN's gradient of its weights takes several times as long as the same numbers as one matrix
    product over the patches (im2col): see docs/decisions/0050. Trained on a CPU it is computed so,
    everywhere else as any convolution; weights and results are the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(n, inputs, h, w)`` with padding 1."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        stride = self.stride[0]
        n, _, h, w = x.shape
        rows, columns = (h - 1) // stride + 1, (w - 1) // stride + 1
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        shifted = [
            padded[:, i : i + h : stride, j : j + w : stride] for i in range(3) for j in range(3)
        ]
        patches = torch.cat(shifted, dim=3)
        kernel = self.weight.permute(2, 3, 1, 0).flatten(0, 2)
        return (patches.flatten(0, 2) @ kernel).view(n, rows, columns, -1).permute(0, 3, 1, 2)


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    kind = WideConv2d if outputs >= _WIDE else nn.Conv2d
    return kind(inputs, outputs, 3, stride, 1, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class IBasicBlock(nn.Module):
    """Pre-normalised residual block of ArcFace's IResNet: BN, conv, BN, PReLU, conv, BN, sum."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(inputs),
            _conv3x3(inputs, outputs),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
            _conv3x3(outputs, outputs, stride),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.residual(x) + self.shortcut(x))


class LightBlock(nn.Module):
    """Post-activation residual block with ReLU: two normalisations fewer, all fused at inference.

    On CPUs normalisation and PReLU cost as much as the convolutions beside them.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            _conv3x3(inputs, outputs, stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            _conv3x3(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.residual(x) + self.shortcut(x))


class IResNet(nn.Module):
    """Residual face embedder: stem, four stages, then a fully connected layer over the last grid.

    Args:
        depths: blocks of each stage.
        widths: channels of each stage.
        light: use `LightBlock` and a stem of stride 4; otherwise ArcFace's blocks, whose stem
            keeps the resolution while every stage halves it.
        input_size: pixels of the square input, a multiple of 16. The fully connected layer is
            tied to it; `resize_input` carries trained weights to another size.
        dropout: probability of dropping a feature before the fully connected layer.
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        *,
        light: bool = False,
        input_size: int = 112,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if input_size % 16:
            raise ValueError(f"input_size must be a multiple of 16, got {input_size}")
        self.input_size = input_size
        if light:
            half = widths[0] // 2
            self.stem = nn.Sequential(
                _conv3x3(3, half, 2),
                nn.BatchNorm2d(half),
                nn.ReLU(inplace=True),
                _conv3x3(half, widths[0], 2),
                nn.BatchNorm2d(widths[0]),
                nn.ReLU(inplace=True),
            )
            strides = (1, 2, 2, 2)
            self.total_stride = 32
        else:
            self.stem = nn.Sequential(
                _conv3x3(3, widths[0]), nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0])
            )
            strides = (2, 2, 2, 2)
            self.total_stride = 16
        block: type[nn.Module] = LightBlock if light else IBasicBlock
        channels = widths[0]
        stages = []
        for depth, width, stride in zip(depths, widths, strides, strict=True):
            blocks = [block(channels, width, stride)]
            blocks += [block(width, width, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.channels = channels
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        grid = self.grid(input_size)
        self.fc = nn.Linear(channels * grid * grid, EMBEDDING_SIZE)
        self.embedding_norm = nn.BatchNorm1d(EMBEDDING_SIZE)
        self.embedding_norm.weight.requires_grad = False  # a scale would undo the normalisation
        self._initialise()

    def grid(self, size: int) -> int:
        """Return the side of the last feature map for inputs of ``size`` pixels."""
        return math.ceil(size / self.total_stride)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, LightBlock | IBasicBlock):
                # Residual branches start at zero, so that a deep net starts as a shallow one.
                nn.init.zeros_(cast(nn.BatchNorm2d, module.residual[-1]).weight)

    def forward(self, images: Tensor) -> Tensor:
        """Embed ``(n, 3, s, s)`` RGB images in [0, 255] as ``(n, 512)`` vectors."""
        x = (images.to(self.fc.weight.dtype) - 127.5) / 127.5
        x = self.norm(self.stages(self.stem(x)))
        x = self.dropout(torch.flatten(x, 1))
        return cast(Tensor, self.embedding_norm(self.fc(x)))


def resize_fc(weight: Tensor, channels: int, grid: int) -> Tensor:
    """Carry fully connected weights from one feature-map size to another.

    Interpolates each of the 512 filters over the map and keeps the sum of its response, as
    vision transformers do with position embeddings when the resolution changes.

    Args:
        weight: ``(512, channels * g * g)``.
        channels: channels of the feature map.
        grid: the new side.

    Returns:
        ``(512, channels * grid * grid)``.
    """
    old = math.isqrt(weight.shape[1] // channels)
    maps = weight.reshape(weight.shape[0], channels, old, old)
    resized = F.interpolate(maps.float(), size=(grid, grid), mode="bilinear", align_corners=True)
    return (resized * (old / grid) ** 2).reshape(weight.shape[0], -1).to(weight.dtype)


def added_blocks(model: nn.Module, trained: Iterable[str]) -> tuple[str, ...]:
    """Return the residual blocks that a network has more than the one whose weights it takes over.

    A new block whose shortcut is an identity starts as one, for its last normalisation starts at
    zero: the deeper network begins where the shallower one ended (Chen et al., "Net2Net", 2016).

    Args:
        model: the network, before it takes over weights.
        trained: names of the weights to take over.

    Returns:
        Prefixes, such as ``stages.1.2.``, of blocks of which ``trained`` holds nothing.
    """
    names = tuple(trained)
    candidates = (
        f"{name}."
        for name, module in model.named_modules()
        if isinstance(module, LightBlock | IBasicBlock) and isinstance(module.shortcut, nn.Identity)
    )
    return tuple(
        prefix for prefix in candidates if not any(name.startswith(prefix) for name in names)
    )


@register_model("embedder", "iresnet_light")
def iresnet_light(input_size: int = 112, dropout: float = 0.0) -> IResNet:
    """9.4 M parameters; the early maps are a quarter as wide, so that a CPU keeps up."""
    return IResNet(
        (2, 2, 2, 2), (48, 96, 192, 384), light=True, input_size=input_size, dropout=dropout
    )


@register_model("embedder", "iresnet_medium")
def iresnet_medium(input_size: int = 112, dropout: float = 0.0) -> IResNet:
    """11.6 M parameters: `iresnet_light` with four more blocks, from whose weights it can start."""
    return IResNet(
        (2, 3, 5, 2), (48, 96, 192, 384), light=True, input_size=input_size, dropout=dropout
    )


@register_model("embedder", "iresnet18")
def iresnet18(input_size: int = 112, dropout: float = 0.0) -> IResNet:
    """24.0 M parameters."""
    return IResNet((2, 2, 2, 2), (64, 128, 256, 512), input_size=input_size, dropout=dropout)


@register_model("embedder", "iresnet34")
def iresnet34(input_size: int = 112, dropout: float = 0.0) -> IResNet:
    """34.1 M parameters."""
    return IResNet((3, 4, 6, 3), (64, 128, 256, 512), input_size=input_size, dropout=dropout)


@register_model("embedder", "iresnet50")
def iresnet50(input_size: int = 112, dropout: float = 0.0) -> IResNet:
    """43.6 M parameters."""
    return IResNet((3, 4, 14, 3), (64, 128, 256, 512), input_size=input_size, dropout=dropout)
