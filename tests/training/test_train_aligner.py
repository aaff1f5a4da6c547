"""Training an aligner for real, on a handful of fictional faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from faceflow_ml.data.synthetic_shards import synthetic_identity_shard
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.training.checkpoints import load_checkpoint
from faceflow_ml.training.config import AlignerConfig
from faceflow_ml.training.trainer import train

MakeAligner = Callable[..., AlignerConfig]


def test_aligner_learns_and_the_best_is_the_least_error(
    aligner_config: MakeAligner, face_cache: Path, tmp_path: Path
) -> None:
    faces = synthetic_identity_shard(6, 6, 0, face_cache)
    words = ["run.epochs=40", "run.validate_every=20", f"data.val={faces}"]
    result = train(aligner_config(*words))
    before, after = (result.metrics[f"val/error_px{end}"] for end in ("_before", ""))
    assert after < 0.8 * before
    checkpoint = load_checkpoint(result.best_checkpoint)
    assert checkpoint["faceflow"]["kind"] == "aligner" and checkpoint["global_step"] == 40

    config = aligner_config(
        "run.max_steps=1",
        "optim.lr=1e-9",
        f"run.output={tmp_path / 'more'}",
        f"run.init_from={result.last_checkpoint}",
    )
    more = load_checkpoint(train(config).last_checkpoint)["state_dict"]
    last = load_checkpoint(result.last_checkpoint)["state_dict"]
    torch.testing.assert_close(more["model.output.weight"], last["model.output.weight"])


def test_a_loss_that_is_not_a_number_stops_with_advice(aligner_config: MakeAligner) -> None:
    words = ("optim.lr=1e30", "optim.clip_norm=null", "optim.warmup_steps=0", "run.epochs=4")
    with pytest.raises(FaceFlowError, match=r"optim\.lr"):
        train(aligner_config(*words))
