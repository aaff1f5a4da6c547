"""Overlap of boxes and the losses built on it. Boxes are xyxy."""

from __future__ import annotations

import torch
from torch import Tensor


def _check(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.shape[-1:] != (4,):
        raise ValueError(
            f"expected two tensors (..., 4) alike, got {tuple(a.shape)} and {tuple(b.shape)}"
        )


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes in pairs, ``(...,)`` in [0, 1].

    >>> paired_iou(torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([1.0, 0.0, 3.0, 2.0]))
    tensor(0.3333)
    """
    _check(a, b)
    size = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    intersection = size.clamp(min=0).prod(-1)
    return intersection / (_area(a) + _area(b) - intersection).clamp(min=1e-7)


def iou_matrix(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of ``(n, 4)`` with ``(m, 4)`` boxes: ``(n, m)`` in [0, 1]."""
    shape = (len(a), len(b), 4)
    return paired_iou(a[:, None].expand(shape), b[None].expand(shape))


def diou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    r"""Distance-IoU loss (Zheng et al., 2020): :math:`1 - IoU + \rho^2 / c^2`.

    :math:`\rho` is the distance of the centres, :math:`c` the diagonal of the box around both, so
    that boxes which do not overlap are still drawn together.

    Returns:
        ``(...,)`` in [0, 2].

    >>> box = torch.tensor([0.0, 0.0, 2.0, 2.0])
    >>> diou_loss(box, box)
    tensor(0.)
    """
    _check(predicted, target)
    centres = (predicted[..., :2] + predicted[..., 2:] - target[..., :2] - target[..., 2:]) / 2
    outer = torch.maximum(predicted[..., 2:], target[..., 2:]) - torch.minimum(
        predicted[..., :2], target[..., :2]
    )
    distance = centres.square().sum(-1) / outer.square().sum(-1).clamp(min=1e-7)
    return 1 - paired_iou(predicted, target) + distance


def giou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Generalised-IoU loss (Rezatofighi et al., 2019), ``(...,)`` in [0, 2].

    >>> far = torch.tensor([2.0, 0.0, 3.0, 1.0])
    >>> giou_loss(torch.tensor([0.0, 0.0, 1.0, 1.0]), far)
    tensor(1.3333)
    """
    _check(predicted, target)
    iou = paired_iou(predicted, target)
    union = (_area(predicted) + _area(target)) / (1 + iou)
    size = torch.maximum(predicted[..., 2:], target[..., 2:]) - torch.minimum(
        predicted[..., :2], target[..., :2]
    )
    outer = size.clamp(min=0).prod(-1).clamp(min=1e-7)
    return 1 - iou + (outer - union) / outer
