"""What a refiner is to say: not that there is a face, but that its box will be right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceflow_ml.inference.boxes import iou_matrix
from faceflow_ml.inference.refiner import change_boxes
from faceflow_ml.losses.refinement import box_worth, refinement_loss


def test_worth_follows_the_overlap() -> None:
    rng = np.random.default_rng(0)
    square = np.array([[0.0, 0, 10, 10]])
    made, wanted = rng.normal(0, 0.2, (2, 200, 4)).astype(np.float32)
    worth = box_worth(torch.from_numpy(made), torch.from_numpy(wanted)).numpy()
    for one, other, value in zip(made, wanted, worth, strict=True):
        overlap = iou_matrix(change_boxes(square, one[None]), change_boxes(square, other[None]))
        expected = np.clip((overlap[0, 0] - 0.35) / 0.3, 0, 1)
        assert value == pytest.approx(expected, abs=1e-4)
    assert 0 < worth.mean() < 1


@pytest.mark.parametrize(("moved", "sign"), [(0.0, -1), (0.9, 1)])
def test_log_odds_rise_with_the_box(moved: float, sign: int) -> None:
    """Of a face whose box is right they rise; of one whose box is moved away they fall."""
    judgements = torch.tensor([[0.0, moved, 0, 0, 0]], requires_grad=True)
    refinement_loss(judgements, torch.tensor([True]), torch.zeros(1, 4)).backward()
    assert judgements.grad is not None
    assert judgements.grad[0, 0].sign() == sign


def test_a_box_is_not_moved_for_a_better_score() -> None:
    """Certain that there is none, the network could be right by putting the box elsewhere."""
    judgements = torch.tensor([[-9.0, 0.3, 0, 0, 0]], requires_grad=True)
    refinement_loss(judgements, torch.tensor([True]), torch.zeros(1, 4)).backward()
    assert judgements.grad is not None
    assert judgements.grad[0, 1] > 0  # back to where the face is


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\(n, 5\)"):
        refinement_loss(torch.zeros(2, 4), torch.zeros(2, dtype=torch.bool), torch.zeros(2, 4))
