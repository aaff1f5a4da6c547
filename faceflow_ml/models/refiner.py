"""Refiners: networks that see a candidate of a detector and judge whether and where it is a face.

All take ``(n, 3, 64, 64)`` RGB views with values in [0, 255] and return ``(n, 5)`` judgements as
`faceflow_ml.inference.refiner` reads them: log-odds, and the changes of the box.
"""

from __future__ import annotations

from faceflow_ml.models.registry import register_model
from faceflow_ml.models.view_network import ViewNetwork


@register_model("refiner", "refiner_small")
def refiner_small(dropout: float = 0.0) -> ViewNetwork:
    """0.57 M parameters, under a millisecond a candidate."""
    return ViewNetwork((16, 32, 64, 128), 5, dropout=dropout)


@register_model("refiner", "refiner_medium")
def refiner_medium(dropout: float = 0.0) -> ViewNetwork:
    """1.07 M parameters, twice the work of `refiner_small`."""
    return ViewNetwork((24, 48, 96, 192), 5, dropout=dropout)
