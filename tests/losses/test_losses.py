"""Losses: values known by hand, and gradients that point the right way."""

from __future__ import annotations

import math

import pytest
import torch

from faceflow_ml.losses.box import diou_loss, giou_loss, iou_matrix
from faceflow_ml.losses.focal import focal_loss, quality_focal_loss
from faceflow_ml.losses.landmark import landmark_loss
from faceflow_ml.losses.margin import adaface_logits, arcface_logits, cosface_logits, margin_at


def test_arcface_is_cosine_of_angle_plus_margin() -> None:
    cosine = torch.tensor([[math.cos(1.0), 0.2], [0.3, math.cos(0.5)]])
    logits = arcface_logits(cosine, torch.tensor([0, 1]), margin=0.3, scale=10.0)
    expected = torch.tensor([[10 * math.cos(1.3), 2.0], [3.0, 10 * math.cos(0.8)]])
    torch.testing.assert_close(logits, expected)


def test_arcface_falls_with_the_angle_even_past_the_turning_point() -> None:
    cosine = torch.linspace(1, -1, 201)[:, None].repeat(1, 2)
    logits = arcface_logits(cosine, torch.zeros(201, dtype=torch.long), margin=0.5, scale=1.0)
    assert (logits[:, 0].diff() < 1e-6).all()


def test_adaface_meets_arcface_and_cosface_at_the_ends() -> None:
    cosine, labels = torch.tensor([[0.6, 0.1]]), torch.tensor([0])
    poor = adaface_logits(cosine, labels, torch.tensor([-1.0]), margin=0.3, scale=1.0)
    torch.testing.assert_close(poor, arcface_logits(cosine, labels, margin=0.3, scale=1.0))
    middle = adaface_logits(cosine, labels, torch.tensor([0.0]), margin=0.3, scale=1.0)
    torch.testing.assert_close(middle, cosface_logits(cosine, labels, margin=0.3, scale=1.0))


def test_margins_have_finite_gradients_at_the_ends() -> None:
    cosine = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], requires_grad=True)
    arcface_logits(cosine, torch.tensor([0, 0]), margin=0.5, scale=32.0).sum().backward()
    assert cosine.grad is not None and torch.isfinite(cosine.grad).all()


def test_margin_schedule_is_off_then_a_line_then_full() -> None:
    values = [margin_at(p, margin=0.4, start=0.4, end=0.8) for p in (0.0, 0.4, 0.6, 0.8, 1.0)]
    assert values == pytest.approx([0, 0, 0.2, 0.4, 0.4])


def test_margin_rejects_labels_of_another_length() -> None:
    with pytest.raises(ValueError, match=r"expected cosine \(n, classes\)"):
        arcface_logits(torch.zeros(2, 3), torch.tensor([0]), margin=0.1, scale=1.0)


def test_focal_loss_plays_down_easy_examples() -> None:
    easy, hard = focal_loss(torch.tensor([4.0, -4.0]), torch.tensor([1.0, 1.0]))
    plain = math.log(1 + math.exp(-4))
    assert easy < 0.01 * plain < hard


def test_quality_focal_loss_is_least_at_the_quality() -> None:
    logits = torch.linspace(-5, 5, 201)
    losses = quality_focal_loss(logits, torch.full_like(logits, 0.7))
    assert logits[losses.argmin()].sigmoid().item() == pytest.approx(0.7, abs=0.02)


def test_iou_matrix_by_hand() -> None:
    a = torch.tensor([[0.0, 0, 2, 2], [5, 5, 6, 6]])
    b = torch.tensor([[1.0, 0, 3, 2], [0, 0, 2, 2], [9, 9, 9, 9]])
    torch.testing.assert_close(iou_matrix(a, b), torch.tensor([[1 / 3, 1, 0], [0, 0, 0]]))


@pytest.mark.parametrize("loss", [diou_loss, giou_loss])
def test_box_losses_draw_distant_boxes_together(loss) -> None:  # type: ignore[no-untyped-def]
    target = torch.tensor([10.0, 10, 20, 20])
    box = torch.tensor([40.0, 40, 50, 50], requires_grad=True)
    before = loss(box, target)
    before.backward()
    assert box.grad is not None
    assert loss(box.detach() - 5 * box.grad.sign(), target) < before


def test_landmark_loss_counts_known_points_only() -> None:
    target = torch.zeros(2, 5, 2)
    predicted = target.clone().requires_grad_()
    with torch.no_grad():
        predicted[0, 0] = 10.0
        predicted[1, 4] = 10.0
    valid = torch.ones(2, 5, dtype=torch.bool)
    valid[1, 4] = False
    loss = landmark_loss(predicted, target, valid, torch.tensor([20.0, 20.0]))
    loss.sum().backward()
    assert loss[0] > 0 and loss[1] == 0
    assert predicted.grad is not None and predicted.grad[1].abs().sum() == 0
