"""Loss of face aligners: how far they leave the points of the template from where they belong."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from faceflow_ml.inference.aligner import VIEW_CENTRE, VIEW_HALF
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE


def template_displacements(corrections: Tensor) -> Tensor:
    """How far corrections move the five points of the template.

    Args:
        corrections: ``(n, 4)`` a, b, tx, ty as in `faceflow_ml.inference.aligner`.

    Returns:
        ``(n, 5, 2)`` template pixels.

    >>> template_displacements(torch.tensor([[0.0, 0.0, 0.5, 0.0]]))[0, 0]
    tensor([38.,  0.])
    """
    if corrections.ndim != 2 or corrections.shape[1] != 4:
        raise ValueError(f"expected corrections (n, 4), got {tuple(corrections.shape)}")
    points = torch.tensor(ARCFACE_TEMPLATE - VIEW_CENTRE).to(corrections)
    x, y = points.unbind(1)
    a, b, tx, ty = corrections[..., None].unbind(1)
    side = 2 * VIEW_HALF
    return torch.stack([a * x - b * y + side * tx, b * x + a * y + side * ty], dim=2)


def alignment_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance of the five points, ``(n,)`` template pixels, from two corrections ``(n, 4)``.

    >>> alignment_error(torch.zeros(1, 4), torch.tensor([[0.0, 0.0, 3 / 76, 4 / 76]]))
    tensor([5.])
    """
    missed = template_displacements(predicted) - template_displacements(target)
    distances: Tensor = torch.linalg.vector_norm(missed, dim=2)
    return distances.mean(dim=1)


def alignment_loss(predicted: Tensor, target: Tensor, *, beta: float = 1.0) -> Tensor:
    """Smooth L1 of the displacements of the five points, a scalar.

    Args:
        predicted: ``(n, 4)`` corrections.
        target: ``(n, 4)`` corrections.
        beta: error in template pixels below which the loss is quadratic.

    >>> alignment_loss(torch.zeros(1, 4), torch.tensor([[0.0, 0.0, 2 / 76, 2 / 76]]))
    tensor(1.5000)
    """
    return F.smooth_l1_loss(
        template_displacements(predicted), template_displacements(target), beta=beta
    )
