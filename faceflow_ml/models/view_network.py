"""The trunk of the small networks that look again at one face: views in, a few numbers out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceflow_ml.inference.types import VIEW_SIZE

_HIDDEN = 128


def _conv_norm(inputs: int, outputs: int, size: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class ViewBlock(nn.Module):
    """Residual block with a projected shortcut; all its normalisations are fused at inference."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_conv_norm(inputs, outputs, 3, stride),
            nn.ReLU(inplace=True),
            *_conv_norm(outputs, outputs, 3, 1),
        )
        self.shortcut = nn.Sequential(*_conv_norm(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.residual(x) + self.shortcut(x))


class ViewNetwork(nn.Module):
    """A stem and residual blocks, each halving the view, then two linear layers over the last grid.

    Takes ``(n, 3, 64, 64)`` RGB views with values in [0, 255] (uint8 or float; scaling is part of
    the network). An untrained network gives zeros: its last layer starts at zero.

    Args:
        widths: channels of the stem and of each block.
        outputs: numbers to give for each view.
        dropout: probability of dropping a feature before the linear layers.
    """

    def __init__(self, widths: Sequence[int], outputs: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_conv_norm(3, widths[0], 3, 2),
            nn.ReLU(inplace=True),
            *(ViewBlock(a, b, 2) for a, b in itertools.pairwise(widths)),
        )
        grid = VIEW_SIZE // 2 ** len(widths)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(widths[-1] * grid * grid, _HIDDEN)
        self.output = nn.Linear(_HIDDEN, outputs)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, views: Tensor) -> Tensor:
        """Return ``(n, outputs)`` for ``(n, 3, 64, 64)`` views."""
        x = (views.to(self.output.weight.dtype) - 127.5) / 64
        x = self.dropout(torch.flatten(self.features(x), 1))
        return cast(Tensor, self.output(F.relu(self.hidden(x))))
