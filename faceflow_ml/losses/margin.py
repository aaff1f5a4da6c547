r"""Margin softmax: logits that ask more of the true class than of the others.

With :math:`\theta_j` the angle between an embedding and the centre of class :math:`j`, the
logits are :math:`s\cos\theta_j`, except at the true class :math:`y`:

- ArcFace (Deng et al., 2019): :math:`s\cos(\theta_y + m)`
- CosFace (Wang et al., 2018): :math:`s(\cos\theta_y - m)`
- AdaFace (Kim et al., 2022): :math:`s(\cos(\theta_y - m\hat z) - m\hat z - m)`, where
  :math:`\hat z \in [-1, 1]` is the standardised embedding length, a proxy of image quality.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LIMIT = 1.0 - 1e-6  # the gradient of acos is infinite at the ends


def _check(cosine: Tensor, labels: Tensor) -> None:
    if cosine.ndim != 2 or labels.shape != cosine.shape[:1]:
        raise ValueError(
            "expected cosine (n, classes) and labels (n,), "
            f"got {tuple(cosine.shape)} and {tuple(labels.shape)}"
        )


def _replace_target(cosine: Tensor, labels: Tensor, target: Tensor, scale: float) -> Tensor:
    return cosine.scatter(1, labels[:, None], target[:, None].to(cosine.dtype)) * scale


def _target(cosine: Tensor, labels: Tensor) -> Tensor:
    return cosine.gather(1, labels[:, None])[:, 0].float().clamp(-_LIMIT, _LIMIT)


def arcface_logits(cosine: Tensor, labels: Tensor, *, margin: float, scale: float) -> Tensor:
    """Additive angular margin.

    Past ``theta = pi - margin`` the sum would turn back, so there the penalty goes on as a
    straight line, as in the authors' code.

    Args:
        cosine: ``(n, classes)`` in [-1, 1].
        labels: ``(n,)`` int64.
        margin: radians, >= 0. With 0 this is the normalised softmax.
        scale: positive factor of all logits.

    >>> cosine = torch.tensor([[0.5, 0.1]])
    >>> arcface_logits(cosine, torch.tensor([0]), margin=0.0, scale=10.0)
    tensor([[5.0000, 1.0000]])
    >>> bool(arcface_logits(cosine, torch.tensor([0]), margin=0.3, scale=10.0)[0, 0] < 5.0)
    True
    """
    _check(cosine, labels)
    target = _target(cosine, labels)
    theta = torch.acos(target)
    limit = torch.pi - margin
    shifted = torch.where(
        theta <= limit, torch.cos(theta + margin), target - margin * torch.sin(torch.tensor(margin))
    )
    return _replace_target(cosine, labels, shifted, scale)


def cosface_logits(cosine: Tensor, labels: Tensor, *, margin: float, scale: float) -> Tensor:
    """Additive cosine margin; arguments as for `arcface_logits`, margin in units of cosine.

    >>> cosface_logits(torch.tensor([[0.5, 0.1]]), torch.tensor([0]), margin=0.25, scale=8.0)
    tensor([[2.0000, 0.8000]])
    """
    _check(cosine, labels)
    return _replace_target(cosine, labels, _target(cosine, labels) - margin, scale)


def adaface_logits(
    cosine: Tensor, labels: Tensor, quality: Tensor, *, margin: float, scale: float
) -> Tensor:
    """Margin that adapts to image quality: angular for poor images, additive for good ones.

    Args:
        cosine: ``(n, classes)`` in [-1, 1].
        labels: ``(n,)`` int64.
        quality: ``(n,)`` standardised embedding length, in [-1, 1], without gradient.
        margin: >= 0.
        scale: positive.

    >>> cosine, label = torch.tensor([[0.5, 0.1]]), torch.tensor([0])
    >>> good = adaface_logits(cosine, label, torch.tensor([1.0]), margin=0.4, scale=1.0)
    >>> poor = adaface_logits(cosine, label, torch.tensor([-1.0]), margin=0.4, scale=1.0)
    >>> bool(good[0, 0] < poor[0, 0])
    True
    """
    _check(cosine, labels)
    if quality.shape != labels.shape:
        raise ValueError(f"expected quality (n,) like labels, got {tuple(quality.shape)}")
    theta = torch.acos(_target(cosine, labels))
    angle = (theta - margin * quality).clamp(1e-3, torch.pi - 1e-3)
    return _replace_target(cosine, labels, torch.cos(angle) - margin * (quality + 1), scale)


def margin_at(progress: float, *, margin: float, start: float, end: float) -> float:
    """Margin at a point of training: none until ``start``, then a line up to ``margin`` at ``end``.

    A full margin from the first step keeps a small network from learning at all.

    Args:
        progress: fraction of training done, in [0, 1].
        margin: the final margin.
        start: fraction at which it begins to rise.
        end: fraction at which it is reached, >= ``start``.

    >>> [margin_at(p, margin=0.4, start=0.5, end=0.75) for p in (0.2, 0.625, 1.0)]
    [0.0, 0.2, 0.4]
    """
    if progress <= start:
        return 0.0
    if progress >= end:
        return margin
    return margin * (progress - start) / (end - start)
