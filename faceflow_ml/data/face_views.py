"""What face aligners train on: views of aligned faces whose alignment was disturbed, and by how
much.

The geometry is that of `faceflow_ml.inference.aligner`. Everything is a function of its arguments
and a random generator, and works on whole batches.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from faceflow_ml.data.identities import FACE_SIZE, AlignedFaces, batch_seed
from faceflow_ml.inference.aligner import VIEW_CENTRE, VIEW_HALF
from faceflow_ml.inference.types import VIEW_SIZE

_SIDE = 2 * VIEW_HALF  # template pixels
# Standard deviation and limit, as far off as the detector's landmarks put a face.
_LOG_SCALE = (0.06, 0.15)
_DEGREES = (5.0, 14.0)
_SHIFT = (3.0, 7.0)  # template pixels

_LEAST_PATCH = 8  # pixels of a view


def sample_corrections(count: int, generator: torch.Generator) -> Tensor:
    """Draw alignment errors: scale, angle and shift from clipped normal distributions.

    Returns:
        ``(count, 4)`` float32 a, b, tx, ty.

    >>> sample_corrections(3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 4])
    """

    def draw(spread: tuple[float, float]) -> Tensor:
        deviation, limit = spread
        return (torch.randn(count, generator=generator) * deviation).clamp(-limit, limit)

    scale = torch.exp(draw(_LOG_SCALE))
    angle = draw(_DEGREES) * (math.pi / 180)
    shifts = draw(_SHIFT) / _SIDE, draw(_SHIFT) / _SIDE
    return torch.stack([scale * angle.cos() - 1, scale * angle.sin(), *shifts], dim=1)


def cut_views(faces: Tensor, corrections: Tensor) -> Tensor:
    """Show aligned faces as a wrong alignment would, which the given corrections put right.

    Args:
        faces: ``(n, 3, 112, 112)`` float, on the template.
        corrections: ``(n, 4)`` a, b, tx, ty.

    Returns:
        ``(n, 3, 64, 64)`` float.

    >>> cut_views(torch.full((1, 3, 112, 112), 9.0), torch.zeros(1, 4)).unique()
    tensor([9.])
    """
    if len(faces) != len(corrections) or faces.shape[1:] != (3, FACE_SIZE, FACE_SIZE):
        raise ValueError(
            f"expected faces (n, 3, {FACE_SIZE}, {FACE_SIZE}) and corrections (n, 4), got "
            f"{tuple(faces.shape)} and {tuple(corrections.shape)}"
        )
    half = 1 - 1 / VIEW_SIZE  # centre of the last pixel
    line = torch.linspace(-half, half, VIEW_SIZE, device=faces.device) * VIEW_HALF
    px, py = torch.meshgrid(line, line, indexing="xy")
    a, b, tx, ty = corrections[..., None, None].unbind(1)
    x = VIEW_CENTRE[0] + px + a * px - b * py + _SIDE * tx
    y = VIEW_CENTRE[1] + py + b * px + a * py + _SIDE * ty
    grid = (torch.stack([x, y], dim=3) + 0.5) * (2 / FACE_SIZE) - 1
    return F.grid_sample(faces, grid, padding_mode="reflection", align_corners=False)


def photometric(views: Tensor, generator: torch.Generator) -> Tensor:
    """Change light, colour, sharpness and noise of views, and cover parts of some.

    Args:
        views: ``(n, 3, 64, 64)`` float in [0, 255]; not changed.
        generator: of all choices.

    Returns:
        Views of the same shape and range.

    >>> photometric(torch.full((2, 3, 64, 64), 99.0), torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 64, 64])
    """
    count = len(views)

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        drawn = torch.rand(count, channels, 1, 1, generator=generator)
        return drawn * (high - low) + low

    def some(share: float) -> Tensor:
        return (torch.rand(count, generator=generator) < share).nonzero()[:, 0]

    views = views.clone()
    coarse = some(0.3)
    if len(coarse):
        side = int(torch.randint(12, 40, (1,), generator=generator))
        small = F.interpolate(views[coarse], size=side, mode="area")
        views[coarse] = F.interpolate(small, size=VIEW_SIZE, mode="bilinear")
    mean = views.mean(dim=(1, 2, 3), keepdim=True)
    views = (views - mean) * uniform(0.6, 1.4) + mean * uniform(0.6, 1.4)
    views *= uniform(0.85, 1.15, channels=3)
    grey = some(0.1)
    views[grey] = views[grey].mean(dim=1, keepdim=True)
    views += torch.randn(views.shape, generator=generator) * uniform(0, 8)
    for i in some(0.25).tolist():
        height, width = torch.randint(_LEAST_PATCH, 32, (2,), generator=generator).tolist()
        top, left = torch.randint(0, VIEW_SIZE - _LEAST_PATCH, (2,), generator=generator).tolist()
        colour = torch.rand(3, 1, 1, generator=generator) * 255
        views[i, :, top : top + height, left : left + width] = colour
    return views.clamp_(0, 255)


class ViewDataset(Dataset[tuple[Tensor, Tensor]]):
    """Batches of views and the corrections that put them right.

    Indices are ``(epoch, position)`` pairs. As in `identities.FaceDataset`, the random state of a
    batch depends on the seed, the epoch and the first position alone.

    Args:
        cache: aligned faces.
        augment: mirror faces and change their looks; off for validation.
        seed: of all random choices.
    """

    def __init__(self, cache: AlignedFaces, *, augment: bool, seed: int) -> None:
        self.cache = cache
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.cache)

    def __getitems__(self, indices: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Return views ``(n, 3, 64, 64)`` float, channels last in memory, and ``(n, 4)``."""
        epoch, first = indices[0]
        positions = [position for _, position in indices]
        generator = torch.Generator().manual_seed(batch_seed(self.seed, epoch, first))
        faces = torch.from_numpy(self.cache.images[positions]).permute(0, 3, 1, 2).float()
        corrections = sample_corrections(len(faces), generator)
        if self.augment:
            mirrored = torch.rand(len(faces), generator=generator) < 0.5
            faces[mirrored] = faces[mirrored].flip(3)
        views = cut_views(faces, corrections)
        if self.augment:
            views = photometric(views, generator)
        return views.contiguous(memory_format=torch.channels_last), corrections
