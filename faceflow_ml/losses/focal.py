r"""Focal losses (Lin et al., 2017; Li et al., "Generalized Focal Loss", 2020)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def quality_focal_loss(logits: Tensor, quality: Tensor, *, beta: float = 2.0) -> Tensor:
    r"""Cross-entropy with a soft target, weighted by how far the prediction is from it.

    .. math:: -|y - \sigma|^\beta \left((1 - y)\log(1 - \sigma) + y\log\sigma\right)

    Args:
        logits: any shape.
        quality: the same shape, in [0, 1]: 0 for background, else the IoU of the predicted box.
        beta: >= 0; how strongly easy examples are played down.

    Returns:
        The loss of every element.

    >>> import torch
    >>> quality_focal_loss(torch.zeros(2), torch.tensor([0.5, 1.0]))
    tensor([0.0000, 0.1733])
    """
    if logits.shape != quality.shape:
        raise ValueError(
            f"expected quality {tuple(logits.shape)} like logits, got {tuple(quality.shape)}"
        )
    weight = (quality - logits.sigmoid()).abs().pow(beta)
    return weight * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


def focal_loss(
    logits: Tensor, targets: Tensor, *, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    r"""Binary focal loss :math:`-\alpha_t (1 - p_t)^\gamma \log p_t` of every element.

    Args:
        logits: any shape.
        targets: the same shape, 0 or 1.
        alpha: weight of the positives, in [0, 1].
        gamma: >= 0.

    >>> import torch
    >>> focal_loss(torch.zeros(1), torch.ones(1))
    tensor([0.0433])
    """
    if logits.shape != targets.shape:
        raise ValueError(
            f"expected targets {tuple(logits.shape)} like logits, got {tuple(targets.shape)}"
        )
    probability = logits.sigmoid()
    hit = probability * targets + (1 - probability) * (1 - targets)
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return weight * (1 - hit).pow(gamma) * entropy
