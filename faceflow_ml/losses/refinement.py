"""Loss of refiners: will a candidate's box be right, and how far is it from the face's."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_BOX_WEIGHT = 4.0
_BETA = 0.05  # changes below it, a twentieth of the box, count by their square
_BAD_IOU, _GOOD_IOU = 0.35, 0.65  # a box that overlaps its face so is worth nothing, and all


def refinement_loss(judgements: Tensor, faces: Tensor, changes: Tensor) -> Tensor:
    """Binary cross-entropy of the log-odds, and smooth L1 of the changes of what are faces.

    A face counts as one as far as the network's own changes put its box right, as in `box_worth`,
    so that the log-odds say whether a face will be found, not whether there is one.

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
    worth = box_worth(judgements[:, 1:].detach(), changes).where(faces, 0.0)
    entropy = F.binary_cross_entropy_with_logits(judgements[:, 0], worth)
    missed = F.smooth_l1_loss(judgements[faces, 1:], changes[faces], beta=_BETA, reduction="sum")
    # Divided by at least one face: a batch without any has no error of boxes.
    return entropy + _BOX_WEIGHT * missed / (4 * faces.sum().clamp(min=1))


def box_worth(changes: Tensor, wanted: Tensor) -> Tensor:
    """What boxes after some changes are worth, ``(n,)`` in [0, 1], where others were wanted.

    It rises with the overlap (IoU) of both from nothing at 0.35 to all at 0.65; detections count
    from 0.5 on. Boxes before the changes are taken for squares, which those of faces nearly are.

    Args:
        changes: ``(n, 4)`` as in `faceflow_ml.inference.refiner`.
        wanted: ``(n, 4)``.

    >>> import torch
    >>> box_worth(torch.zeros(1, 4), torch.tensor([[1 / 3, 0.0, 0, 0]]))
    tensor([0.5000])
    """
    boxes, others = (
        torch.cat([some[:, :2] - some[:, 2:].exp() / 2, some[:, :2] + some[:, 2:].exp() / 2], 1)
        for some in (changes, wanted)
    )
    low = torch.maximum(boxes[:, :2], others[:, :2])
    high = torch.minimum(boxes[:, 2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    area = changes[:, 2:].sum(1).exp() + wanted[:, 2:].sum(1).exp()
    overlap = shared / (area - shared)
    return ((overlap - _BAD_IOU) / (_GOOD_IOU - _BAD_IOU)).clamp(0, 1)
