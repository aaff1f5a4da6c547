"""The whole thing for real: fictional people in, two models that serve out, and back again."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pipelines.conftest import CONFIGS, ROOT

PATIENCE = 3000.0  # seconds, on a busy machine; minutes on an idle one
Command = Callable[..., dict[str, Any]]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Command]:
    """``faceflow-ml pipeline``, as a user calls it; servers are stopped in the end."""

    def call(name: str, *words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "faceflow_ml", "pipeline", name, *words]
        command += ["--config", str(CONFIGS / "debug.yaml"), f"local.root={tmp_path / 'root'}"]
        command.append("local.code=tested")  # whatever is edited while the test runs
        done = subprocess.run(
            [*command, "--json"],
            cwd=tmp_path,
            env=os.environ | {"FACEFLOW_CONFIGS": str(ROOT / "configs"), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    yield call
    call("stop")


def ask(url: str, size: int) -> dict[str, Any]:
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    request = urllib.request.Request(
        f"{url}/invocations", stream.getvalue(), {"Content-Type": "image/png"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_from_nothing_to_models_that_serve(pipeline: Command, tmp_path: Path) -> None:
    first = pipeline("run")
    assert first["status"] == "Succeeded"
    assert {name for name, step in first["steps"].items() if step["status"] == "Succeeded"} == {
        *("FindChampions", "PrepareData", "TrainDetector", "TrainEmbedder"),
        *("EvaluateDetector", "EvaluateEmbedder", "CheckQuality"),
        *("RegisterDetector", "RegisterEmbedder"),
    }
    detector, embedder = first["deployed"]
    assert (detector["action"], embedder["action"]) == ("created", "created")
    assert ask(detector["endpoint"], 320)["contract_id"] == detector["contract_id"]
    answer = ask(embedder["endpoint"], 112)
    assert answer["contract_id"] == embedder["contract_id"]
    assert np.linalg.norm(answer["embeddings"][0]) == pytest.approx(1.0, abs=1e-3)

    # The registry knows it by its alias, wherever a model is asked for.
    loaded = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import faceflow_ml, mlflow.pyfunc; name = 'models:/faceflow-embedder@champion'; "
            "print(faceflow_ml.FaceEmbedder.from_pretrained(name).contract_id); "
            "model = mlflow.pyfunc.load_model(name); "
            "print(len(model.predict(model.input_example)['embedding'][0]))",
        ],
        env=os.environ
        | {
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'root' / 'mlflow.db'}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert loaded.stdout.split() == [embedder["contract_id"], "512"]

    # Again: what is known is not done again; the challenger is measured against the champion,
    # which it equals.
    second = pipeline("run")
    cached = {name for name, step in second["steps"].items() if step["cached"]}
    assert cached == {"PrepareData", "TrainDetector", "TrainEmbedder"}
    report = tmp_path / "root/s3/amzn-s3-demo-bucket/debug/runs" / second["execution"]
    compared = json.loads((report / "EvaluateEmbedder/report/evaluation.json").read_text())
    assert compared["champion"]["contract_id"] == embedder["contract_id"]
    assert compared["gate"]["loss"] == 0.0
    again = second["deployed"][1]
    assert (again["version"], again["contract_changed"]) == (2, False)

    (back,) = pipeline("rollback", "--kind", "embedder")["deployed"]
    assert (back["version"], back["contract_id"]) == (1, embedder["contract_id"])
    assert ask(back["endpoint"], 112)["contract_id"] == embedder["contract_id"]
    assert not (tmp_path / "mlruns").exists()  # nothing is left in the working folder
