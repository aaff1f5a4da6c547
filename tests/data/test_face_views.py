"""Views of disturbed faces: the corrections really put right what was disturbed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from faceflow_ml.data.face_views import ViewDataset, cut_views, photometric, sample_corrections
from faceflow_ml.data.identities import FACE_SIZE, IdentityCache
from faceflow_ml.inference.aligner import VIEW_CENTRE, VIEW_HALF
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE
from faceflow_ml.inference.types import VIEW_SIZE
from faceflow_ml.losses.alignment import alignment_error, alignment_loss, template_displacements


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _marked_faces() -> Tensor:
    """``(5, 3, 112, 112)``: black but for a soft dot at one point of the template each."""
    line = torch.arange(FACE_SIZE)
    points = torch.tensor(ARCFACE_TEMPLATE)[:, :, None, None]
    distances = (line - points[:, 0]) ** 2 + (line[:, None] - points[:, 1]) ** 2
    return (-distances / 8).exp().float()[:, None].repeat(1, 3, 1, 1)


def _dots(views: Tensor) -> Tensor:
    """Where the dots are, ``(5, 2)`` template pixels from the centre of the view."""
    line = ((torch.arange(VIEW_SIZE) + 0.5) * 2 / VIEW_SIZE - 1) * VIEW_HALF
    weights = views[:, 0] / views[:, 0].sum(dim=(1, 2), keepdim=True)
    return torch.stack([(weights.sum(1) * line).sum(1), (weights.sum(2) * line).sum(1)], dim=1)


@pytest.mark.parametrize("seed", range(4))
def test_corrected_points_are_on_the_template(seed: int) -> None:
    correction = sample_corrections(1, _generator(seed))
    seen = _dots(cut_views(_marked_faces(), correction.expand(5, 4)))
    a, b, *shift = correction[0].tolist()
    change = torch.tensor([[a, -b], [b, a]])
    corrected = seen + seen @ change.T + 2 * VIEW_HALF * torch.tensor(shift)
    template = torch.tensor(ARCFACE_TEMPLATE - VIEW_CENTRE).float()
    assert (seen - template).norm(dim=1).max() > 1
    torch.testing.assert_close(corrected, template, atol=0.1, rtol=0)


def test_corrections_are_as_far_off_as_said() -> None:
    corrections = sample_corrections(4000, _generator())
    scale = torch.hypot(1 + corrections[:, 0], corrections[:, 1]).log()
    angle = torch.atan2(corrections[:, 1], 1 + corrections[:, 0]).rad2deg()
    shift = corrections[:, 2:] * 2 * VIEW_HALF
    for values, spread, limit in ((scale, 0.06, 0.15), (angle, 5, 14), (shift, 3, 7)):
        assert values.std().item() == pytest.approx(spread, rel=0.1)
        assert values.abs().max().item() == pytest.approx(limit, rel=1e-3)


def test_photometric_changes_keep_the_argument_and_the_range() -> None:
    views = torch.rand(64, 3, VIEW_SIZE, VIEW_SIZE, generator=_generator()) * 255
    before = views.clone()
    changed = photometric(views, _generator(1))
    assert torch.equal(views, before) and not torch.equal(changed, before)
    assert changed.min() >= 0 and changed.max() <= 255
    assert torch.equal(changed, photometric(views, _generator(1)))


def test_faces_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(n, 3, 112, 112\)"):
        cut_views(torch.zeros(2, 3, 64, 64), torch.zeros(2, 4))


@pytest.fixture
def cache(tmp_path: Path) -> IdentityCache:
    images = np.random.default_rng(0).integers(0, 256, (6, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.savez(
        tmp_path / "index.npz",
        labels=np.arange(6),
        names=np.array(list("abcdef")),
        sources=np.array(["x"] * 6),
        eye_px=np.full(6, np.nan, np.float32),
    )
    return IdentityCache(tmp_path)


def test_a_batch_follows_from_seed_epoch_and_place(cache: IdentityCache) -> None:
    batch = [(1, 4), (1, 0)]
    views, corrections = ViewDataset(cache, augment=True, seed=7).__getitems__(batch)
    again, _ = ViewDataset(cache, augment=True, seed=7).__getitems__(batch)
    assert torch.equal(views, again)
    assert views.is_contiguous(memory_format=torch.channels_last)
    for seed, indices in ((8, batch), (7, [(2, 4), (2, 0)]), (7, [(1, 3), (1, 0)])):
        _, other = ViewDataset(cache, augment=True, seed=seed).__getitems__(indices)
        assert not torch.equal(other, corrections)


def test_validation_shows_the_faces_as_they_are(cache: IdentityCache) -> None:
    views, corrections = ViewDataset(cache, augment=False, seed=0).__getitems__([(0, 2), (0, 5)])
    faces = torch.from_numpy(cache.images[[2, 5]]).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(views, cut_views(faces, corrections))


def test_displacements_and_losses_by_hand() -> None:
    x, y = (ARCFACE_TEMPLATE - VIEW_CENTRE)[3]
    moved = template_displacements(torch.tensor([[0.1, 0.2, 0.0, 1 / 76]]))[0, 3]
    assert moved.tolist() == pytest.approx([0.1 * x - 0.2 * y, 0.2 * x + 0.1 * y + 1], abs=1e-4)
    found = torch.zeros(1, 4, requires_grad=True)
    target = torch.tensor([[0.05, -0.1, 0.02, 0.03]])
    loss = alignment_loss(found, target)
    loss.backward()
    assert found.grad is not None
    nearer = found.detach() - 1e-4 * found.grad
    assert alignment_loss(nearer, target) < loss
    assert alignment_error(nearer, target) < alignment_error(found, target)
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        template_displacements(torch.zeros(2, 3))
