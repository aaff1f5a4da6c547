"""Landmark loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def landmark_loss(
    predicted: Tensor, target: Tensor, valid: Tensor, scale: Tensor, *, beta: float = 0.02
) -> Tensor:
    """Smooth L1 distance in units of the face's size, over the points that are known.

    Args:
        predicted: ``(n, 5, 2)`` px.
        target: ``(n, 5, 2)`` px; anything where unknown.
        valid: ``(n, 5)`` bool, which points are known.
        scale: ``(n,)`` px, the size of each face.
        beta: error, in face sizes, below which the loss is quadratic.

    Returns:
        ``(n,)``: the mean over a face's known points, 0 where none is known.

    >>> import torch
    >>> exact = torch.zeros(1, 5, 2)
    >>> landmark_loss(exact, exact, torch.ones(1, 5, dtype=torch.bool), torch.ones(1))
    tensor([0.])
    """
    if predicted.shape != target.shape or predicted.shape[1:] != (5, 2):
        raise ValueError(
            f"expected predicted and target (n, 5, 2), got {tuple(predicted.shape)} and "
            f"{tuple(target.shape)}"
        )
    if valid.shape != predicted.shape[:2] or scale.shape != predicted.shape[:1]:
        raise ValueError(
            f"expected valid (n, 5) and scale (n,), got {tuple(valid.shape)} and "
            f"{tuple(scale.shape)}"
        )
    target = target.where(valid[..., None], predicted.detach())
    scale = scale.clamp(min=1.0)[:, None, None]
    error = F.smooth_l1_loss(predicted / scale, target / scale, beta=beta, reduction="none")
    return error.mean(-1).sum(-1) / valid.sum(-1).clamp(min=1)
