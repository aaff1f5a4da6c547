"""Training a refiner for real, on a handful of fictional photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from faceflow_ml.data.synthetic_shards import synthetic_photo_shard
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.export.export import export_model
from faceflow_ml.training.checkpoints import load_checkpoint
from faceflow_ml.training.config import RefinerConfig
from faceflow_ml.training.trainer import train

MakeRefiner = Callable[..., RefinerConfig]


def test_refiner_learns_and_goes_on_from_checkpoint_and_export(
    refiner_config: MakeRefiner, face_cache: Path, tmp_path: Path
) -> None:
    first = train(refiner_config("run.max_steps=1", f"run.output={tmp_path / 'first'}"))
    photos = synthetic_photo_shard(8, 0, face_cache)
    result = train(refiner_config("run.epochs=30", "run.validate_every=30", f"data.val={photos}"))
    assert result.metrics["train/loss"] < 0.7 * first.metrics["train/loss"]
    assert result.metrics["val/ap"] > 0.8
    checkpoint = load_checkpoint(result.best_checkpoint)
    assert checkpoint["faceflow"]["kind"] == "refiner"

    exported = export_model("refiner", result.last_checkpoint, tmp_path / "weights", data=photos)
    assert exported.parity[0].images > 0
    last = checkpoint["state_dict"]["model.output.weight"]
    for start in (result.last_checkpoint, exported.model):
        output = tmp_path / f"from-{start.suffix[1:]}"
        words = (f"run.output={output}", f"run.init_from={start}", "optim.lr=1e-9")
        more = load_checkpoint(train(refiner_config("run.max_steps=1", *words)).last_checkpoint)
        torch.testing.assert_close(more["state_dict"]["model.output.weight"], last)


def test_a_loss_that_is_not_a_number_stops_with_advice(refiner_config: MakeRefiner) -> None:
    words = ("optim.lr=1e30", "optim.clip_norm=null", "optim.warmup_steps=0", "run.epochs=9")
    with pytest.raises(FaceFlowError, match=r"optim\.lr"):
        train(refiner_config(*words))
