"""Optimisers, learning-rate schedules, and the loss that they may be given."""

from __future__ import annotations

import math

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.training.config import OptimConfig


def lr_factor(step: int, total: int, config: OptimConfig) -> float:
    """Share of the peak learning rate at ``step`` of ``total``: linear warm-up, then decay.

    >>> config = OptimConfig(warmup_steps=10)
    >>> lr_factor(4, 100, config), lr_factor(10, 100, config), round(lr_factor(55, 100, config), 3)
    (0.5, 1.0, 0.5)
    """
    warmup = min(config.warmup_steps, total // 2)
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    if config.schedule == "cosine":
        decay = 0.5 * (1 + math.cos(math.pi * done))
    else:
        decay = (1 - done) ** config.power
    return config.final_lr_fraction + (1 - config.final_lr_fraction) * decay


def require_finite(loss: Tensor, step: int) -> None:
    """Stop before a loss that is no number gets into the weights.

    Raises:
        FaceFlowError: it is infinite or no number; the message says what may help.
    """
    if not torch.isfinite(loss):
        raise FaceFlowError(
            f"the loss is {loss.item()} at step {step}: training stopped; the last checkpoint is "
            "intact. Try a lower optim.lr or optim.clip_norm."
        )


def build_optimizer(module: nn.Module, config: OptimConfig, total: int) -> OptimizerLRScheduler:
    """Optimiser and schedule for ``total`` steps; no weight decay on biases and normalisation."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer: Optimizer
    if config.name == "sgd":
        optimizer = SGD(
            groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0
        )
    else:
        optimizer = AdamW(groups, lr=config.lr)
    schedule = LambdaLR(optimizer, lambda step: lr_factor(step, total, config))
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": schedule, "interval": "step"},
    }
