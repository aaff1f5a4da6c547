"""Loss of refiners: is a candidate a face, and how far are its borders from the face's."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

_BOX_WEIGHT = 4.0
_BETA = 0.05  # changes below it, a twentieth of the box, count by their square


def refinement_loss(judgements: Tensor, faces: Tensor, changes: Tensor) -> Tensor:
    """Binary cross-entropy of the log-odds, and smooth L1 of the changes of what are faces.

    Args:
        judgements: ``(n, 5)`` log-odds and four changes, as in `faceflow_ml.inference.refiner`.
        faces: ``(n,)`` bool.
        changes: ``(n, 4)``; read where there is a face.

    Returns:
        A scalar.

    >>> import torch
    >>> refinement_loss(torch.zeros(2, 5), torch.tensor([True, False]), torch.zeros(2, 4))
    tensor(0.6931)
    """
    if judgements.ndim != 2 or judgements.shape[1] != 5 or changes.shape != (len(judgements), 4):
        raise ValueError(
            f"expected judgements (n, 5) and changes (n, 4), got {tuple(judgements.shape)} and "
            f"{tuple(changes.shape)}"
        )
    entropy = F.binary_cross_entropy_with_logits(judgements[:, 0], faces.to(judgements.dtype))
    missed = F.smooth_l1_loss(judgements[faces, 1:], changes[faces], beta=_BETA, reduction="sum")
    # Divided by at least one face: a batch without any has no error of boxes.
    return entropy + _BOX_WEIGHT * missed / (4 * faces.sum().clamp(min=1))
