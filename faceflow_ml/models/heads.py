"""Classification heads that train an embedder: class centres on the unit sphere."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceflow_ml.losses.margin import adaface_logits, arcface_logits, cosface_logits

MarginKind = Literal["arcface", "cosface", "adaface"]


class MarginHead(nn.Module):
    """Margin softmax over identities, with sub-centres and sampled negatives.

    Args:
        embedding_size: length of the embeddings.
        classes: number of identities.
        kind: which margin; see `faceflow_ml.losses.margin`.
        scale: factor of the logits.
        sub_centres: centres of each class; the nearest counts, so that wrong labels gather at
            the others (Deng et al., "Sub-center ArcFace", 2020).
        sample_rate: share of the classes that each step compares with; below 1 the classes of
            the batch plus random others (An et al., "Partial FC", 2021).
    """

    _running_mean: Tensor
    _running_std: Tensor

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        *,
        kind: MarginKind = "arcface",
        scale: float = 32.0,
        sub_centres: int = 1,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"a margin head needs at least 2 classes, got {classes}")
        if not 0.0 < sample_rate <= 1.0:
            raise ValueError(f"sample_rate must be in (0, 1], got {sample_rate}")
        self.kind = kind
        self.scale = scale
        self.classes = classes
        self.sub_centres = sub_centres
        self.sample_rate = sample_rate
        self.weight = nn.Parameter(torch.empty(classes, sub_centres, embedding_size))
        nn.init.normal_(self.weight, std=0.01)
        self.register_buffer("_running_mean", torch.tensor(20.0))
        self.register_buffer("_running_std", torch.tensor(100.0))

    def _sample(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sampled classes, ascending, and the labels as positions among them."""
        count = max(1, int(self.classes * self.sample_rate))
        priority = torch.rand(self.classes, device=labels.device)
        priority[labels] = 2.0
        kept = max(count, int(torch.unique(labels).numel()))
        chosen = priority.topk(kept).indices.sort().values
        return chosen, torch.searchsorted(chosen, labels)

    def _quality(self, norms: Tensor) -> Tensor:
        norms = norms.detach().clamp(0.001, 100.0)
        if self.training:
            self._running_mean.lerp_(norms.mean(), 0.01)
            self._running_std.lerp_(norms.std(), 0.01)
        return (0.333 * (norms - self._running_mean) / (self._running_std + 1e-3)).clamp(-1, 1)

    def forward(self, embeddings: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        """Return logits and targets for cross-entropy.

        Args:
            embeddings: ``(n, embedding_size)``, of any length.
            labels: ``(n,)`` int64 in [0, classes).
            margin: the margin of this step.

        Returns:
            Logits ``(n, sampled classes)`` float32 and targets ``(n,)`` among them.
        """
        weight: Tensor = self.weight
        if self.training and self.sample_rate < 1.0:
            chosen, labels = self._sample(labels)
            weight = weight[chosen]
        centres = F.normalize(weight, dim=2).flatten(0, 1)
        cosine = F.linear(F.normalize(embeddings), centres)
        if self.sub_centres > 1:
            cosine = cosine.unflatten(1, (-1, self.sub_centres)).amax(dim=2)
        cosine = cosine.float()
        if self.kind == "adaface":
            quality = self._quality(embeddings.float().norm(dim=1))
            logits = adaface_logits(cosine, labels, quality, margin=margin, scale=self.scale)
        elif self.kind == "cosface":
            logits = cosface_logits(cosine, labels, margin=margin, scale=self.scale)
        else:
            logits = arcface_logits(cosine, labels, margin=margin, scale=self.scale)
        return logits, labels
