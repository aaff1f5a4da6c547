"""Every registered architecture, and what all of one kind promise."""

from __future__ import annotations

import pytest
import torch

from faceflow_ml.models.heads import MarginHead
from faceflow_ml.models.iresnet import WideConv2d, resize_fc
from faceflow_ml.models.mobilenetv3_fpn import decode_boxes, decode_landmarks, make_points
from faceflow_ml.models.registry import Kind, create_model, list_models


def test_kinds_have_sizes() -> None:
    named = {"iresnet18", "iresnet34", "iresnet50", "iresnet_light", "iresnet_medium"}
    assert named <= set(list_models("embedder"))
    assert len(list_models("detector")) >= 3
    assert list_models("aligner") == ["aligner_small"]
    assert list_models("refiner") == ["refiner_medium", "refiner_small"]


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="iresnet_light"):
        create_model("embedder", "resnet1000")


@pytest.mark.parametrize("name", list_models("embedder"))
def test_embedder_shapes_and_gradients(name: str) -> None:
    model = create_model("embedder", name, input_size=64)
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    vectors = model(images)
    assert vectors.shape == (3, 512) and torch.isfinite(vectors).all()
    vectors.square().sum().backward()
    first = next(model.parameters())
    assert first.grad is not None and torch.isfinite(first.grad).all()


@pytest.mark.parametrize(("size", "stride"), [(4, 1), (7, 2), (8, 2)])
def test_a_wide_convolution_trains_as_any_other(size: int, stride: int) -> None:
    conv = WideConv2d(6, 8, 3, stride, 1, bias=False)
    images = torch.randn(2, 6, size, size, requires_grad=True)
    found = []
    for training in (True, False):  # by patches, then as PyTorch convolves
        output = conv.train(training)(images)
        found.append((output, *torch.autograd.grad(output.sin().sum(), (images, conv.weight))))
    for patches, convolved in zip(*found, strict=True):
        torch.testing.assert_close(patches, convolved, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "name", "outputs"),
    [("aligner", name, 4) for name in list_models("aligner")]
    + [("refiner", name, 5) for name in list_models("refiner")],
)
def test_a_second_look_changes_nothing_until_it_learns(kind: Kind, name: str, outputs: int) -> None:
    model = create_model(kind, name)
    found = model(torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8))
    assert found.shape == (3, outputs) and (found == 0).all()
    (found - 1).square().sum().backward()
    assert model.output.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", list_models("detector"))
@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_detector_predicts_at_every_point(name: str, height: int, width: int) -> None:
    model = create_model("detector", name).eval()
    with torch.no_grad():
        raw = model(torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8))
    count = sum((height // s) * (width // s) for s in (8, 16, 32))
    assert raw.logits.shape == (2, count)
    assert raw.distances.shape == (2, count, 4) and (raw.distances > 0).all()
    assert raw.offsets.shape == (2, count, 5, 2)
    assert make_points(height, width).centres.shape == (count, 2)


def test_points_and_decoding_by_hand() -> None:
    points = make_points(32, 64)
    assert points.centres[0].tolist() == [4, 4] and points.centres[1].tolist() == [12, 4]
    assert points.centres[-1].tolist() == [48, 16] and points.strides[-1] == 32
    distances = torch.zeros(42, 4)
    distances[-1] = torch.tensor([1.0, 0.5, 0.25, 0.125])
    assert decode_boxes(distances, points)[-1].tolist() == [16, 0, 56, 20]
    offsets = torch.zeros(42, 5, 2)
    offsets[-1, 2] = torch.tensor([0.5, -0.25])
    assert decode_landmarks(offsets, points)[-1, 2].tolist() == [64, 8]


def test_resizing_the_last_layer_keeps_its_response_to_a_flat_map() -> None:
    weight = torch.randn(512, 6 * 9)
    resized = resize_fc(weight, channels=6, grid=4)
    flat = torch.randn(6, 1)
    before = weight @ flat.expand(6, 9).reshape(-1)
    after = resized @ flat.expand(6, 16).reshape(-1)
    # Bilinear weights over the border differ a little between the grids.
    assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.9
    torch.testing.assert_close(resize_fc(weight, 6, 3), weight)


@pytest.mark.parametrize("kind", ["arcface", "cosface", "adaface"])
@pytest.mark.parametrize(("sub_centres", "sample_rate"), [(1, 1.0), (3, 1.0), (1, 0.3), (2, 0.5)])
def test_margin_heads_learn(kind: str, sub_centres: int, sample_rate: float) -> None:
    torch.manual_seed(0)
    head = MarginHead(
        8,
        20,
        kind=kind,
        scale=16.0,
        sub_centres=sub_centres,
        sample_rate=sample_rate,  # type: ignore[arg-type]
    )
    vectors, labels = torch.randn(20, 8), torch.arange(20)
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    losses = []
    for _ in range(60):
        logits, targets = head(vectors, labels, 0.1)
        loss = torch.nn.functional.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_sampled_classes_always_hold_the_batch() -> None:
    head = MarginHead(4, 1000, sample_rate=0.01)
    labels = torch.tensor([999, 3, 3, 500])
    logits, targets = head(torch.randn(4, 4), labels, 0.0)
    assert logits.shape == (4, 10)
    chosen = targets.tolist()
    assert chosen[1] == chosen[2] and chosen[1] < chosen[3] < chosen[0]
