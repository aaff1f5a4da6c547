"""Aligners: networks that see a roughly aligned face and say how its alignment must change.

All take ``(n, 3, 64, 64)`` RGB views with values in [0, 255] and return ``(n, 4)`` corrections
a, b, tx, ty as `faceflow_ml.inference.aligner` applies them.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from faceflow_ml.models.registry import register_model
from faceflow_ml.models.view_network import ViewNetwork

_OUTPUT_SCALE = 0.1  # about the spread of the corrections: the last layer learns values near 1


class Aligner(ViewNetwork):
    """Gives corrections; an untrained network changes nothing.

    Args:
        widths: channels of the stem and of each block.
        dropout: probability of dropping a feature before the linear layers.
    """

    def __init__(self, widths: Sequence[int], *, dropout: float = 0.0) -> None:
        super().__init__(widths, 4, dropout=dropout)

    def forward(self, views: Tensor) -> Tensor:
        """Corrections ``(n, 4)`` of ``(n, 3, 64, 64)`` RGB views in [0, 255]."""
        return super().forward(views) * _OUTPUT_SCALE


@register_model("aligner", "aligner_small")
def aligner_small(dropout: float = 0.0) -> Aligner:
    """0.57 M parameters, under a millisecond a face."""
    return Aligner((16, 32, 64, 128), dropout=dropout)
