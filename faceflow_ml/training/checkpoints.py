"""Reading what training wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faceflow_ml.errors import FaceFlowError


def load_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint of this package.

    Raises:
        FaceFlowError: it is missing, unreadable or was not written by `train`.
    """
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FaceFlowError(f"{file}: no such checkpoint") from error
    except Exception as error:  # torch raises many kinds for a file that is no checkpoint
        raise FaceFlowError(f"{file}: not a readable checkpoint: {error}") from error
    if not isinstance(checkpoint, dict) or "faceflow" not in checkpoint:
        raise FaceFlowError(f"{file}: not a checkpoint of `faceflow-ml train`")
    return checkpoint


def latest_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that training goes on from.

    With averaging on, ``state_dict`` holds the average, which is for inference and lags behind.
    """
    weights: dict[str, Tensor] = checkpoint.get("current_model_state", checkpoint["state_dict"])
    return weights
