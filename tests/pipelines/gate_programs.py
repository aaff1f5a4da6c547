"""Stand-ins for the jobs of the compiled definition: they leave what a test decides beforehand."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path


def option(name: str) -> str:
    """The value of ``--name=value``."""
    return next(w.partition("=")[2] for w in sys.argv if w.startswith(f"--{name}="))


def champions() -> None:
    """The shipped models are."""
    found = {kind: {"model_data_url": option("shipped")} for kind in ("detector", "embedder")}
    (Path(option("out")) / "champions.json").write_text(json.dumps(found))
    (Path(option("shipped-out")) / "NOTHING").touch()


def prepare() -> None:
    """Four splits and a fingerprint; real faces to train on where the test has some."""
    out = Path(option("out"))
    for kind in ("detector", "embedder"):
        for split in ("train", "val"):
            (out / f"{kind}_{split}" / "data").write_text(kind)
    shards = os.environ.get("FACES")
    if shards:
        shutil.copytree(shards, out / "embedder_train", dirs_exist_ok=True)
        (out / "embedder_train" / "data").unlink()
    (out / "report" / "data.json").write_text(json.dumps({"fingerprint": "f" * 64}))


def train() -> None:
    """A model."""
    (Path(os.environ["SAGEMAKER_BASE_DIR"]) / "model/model").write_text("weights")


def evaluate() -> None:
    """The report that the test made for this kind of model."""
    report = json.loads(os.environ["REPORTS"])[sys.argv[2]]
    (Path(option("report")) / "evaluation.json").write_text(json.dumps(report))
    (Path(option("out")) / "model.tar.gz").write_text("packed")


def report() -> None:
    """Reports that nobody reads here."""
    (Path(option("out")) / "drift" / "drift.json").write_text("{}")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
