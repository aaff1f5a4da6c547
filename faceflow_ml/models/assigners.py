"""Which points answer for which face: ATSS and SimOTA."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from faceflow_ml.losses.box import iou_matrix
from faceflow_ml.models.mobilenetv3_fpn import STRIDES, Points

_ANCHOR_SCALE = 6.0  # side of ATSS's virtual anchors, in strides: 48, 96 and 192 px
_RADIUS = 2.5  # how far, in strides, SimOTA looks from a face's centre


def atss(points: Points, boxes: Tensor, *, candidates: int = 9) -> Tensor:
    """Adaptive training sample selection (Zhang et al., 2020).

    For each face, the points nearest to its centre on every level are candidates; those whose
    virtual anchor overlaps it more than the candidates' mean plus one standard deviation, and
    which lie inside it, are positive. A point wanted by several faces goes to the best overlap.

    Args:
        points: ``a`` points.
        boxes: ``(m, 4)`` xyxy px.
        candidates: nearest points taken on each level.

    Returns:
        ``(a,)`` int64: index of the face, or -1.
    """
    assigned = torch.full((len(points.strides),), -1, dtype=torch.int64, device=boxes.device)
    if not len(boxes):
        return assigned
    half = points.strides[:, None] * (_ANCHOR_SCALE / 2)
    anchors = torch.cat([points.centres - half, points.centres + half], dim=1)
    overlap = iou_matrix(boxes, anchors)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = torch.cdist(centres, points.centres)
    chosen = []
    for stride in STRIDES:
        level = torch.nonzero(points.strides == stride)[:, 0]
        nearest = distance[:, level].topk(min(candidates, len(level)), largest=False).indices
        chosen.append(level[nearest])
    index = torch.cat(chosen, dim=1)
    of_candidates = overlap.gather(1, index)
    threshold = of_candidates.mean(1) + of_candidates.std(1)
    positive = (of_candidates >= threshold[:, None]) & _inside(points, boxes).gather(1, index)
    value = torch.full_like(overlap, -1.0).scatter_(
        1, index, of_candidates.where(positive, torch.tensor(-1.0, device=boxes.device))
    )
    # A face between the points may have none inside it: give it the nearest.
    lost = ~positive.any(1)
    if lost.any():
        value[lost] = value[lost].scatter(1, distance[lost].argmin(1, keepdim=True), 2.0)
    best, face = value.max(0)
    return face.where(best > -1.0, assigned)


def simota(
    points: Points, boxes: Tensor, logits: Tensor, predicted: Tensor, *, candidates: int = 10
) -> Tensor:
    """Simplified optimal-transport assignment (Ge et al., "YOLOX", 2021).

    Each face takes the points, near its centre, that already predict it best; how many follows
    from the summed overlap of its best candidates.

    Args:
        points: ``a`` points.
        boxes: ``(m, 4)`` xyxy px.
        logits: ``(a,)`` predicted, without gradient.
        predicted: ``(a, 4)`` predicted boxes, without gradient.
        candidates: predictions whose overlap is summed.

    Returns:
        ``(a,)`` int64: index of the face, or -1.
    """
    assigned = torch.full((len(points.strides),), -1, dtype=torch.int64, device=boxes.device)
    if not len(boxes):
        return assigned
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = (points.centres[None] - centres[:, None]).abs().amax(-1) < _RADIUS * points.strides
    inside = _inside(points, boxes)
    overlap = iou_matrix(boxes, predicted)
    score_cost = (
        F.binary_cross_entropy_with_logits(
            logits[None].expand_as(overlap), overlap, reduction="none"
        )
        * (overlap - logits.sigmoid()[None]).abs().square()
    )
    cost = score_cost - 3.0 * overlap.clamp(min=1e-7).log()
    cost = cost + 1e5 * ~(near & inside) + 1e8 * ~(near | inside)
    wanted = overlap.topk(min(candidates, overlap.shape[1])).values.sum(1).int().clamp(min=1)
    match = torch.zeros_like(overlap, dtype=torch.bool)
    for face, count in enumerate(wanted.tolist()):
        match[face, cost[face].topk(count, largest=False).indices] = True
    best = cost.where(match, torch.tensor(torch.inf, device=cost.device)).argmin(0)
    return best.where(match.any(0), assigned)


def _inside(points: Points, boxes: Tensor) -> Tensor:
    """``(m, a)``: is the point inside the box?"""
    centres = points.centres[None]
    return ((centres > boxes[:, None, :2]) & (centres < boxes[:, None, 2:])).all(-1)
