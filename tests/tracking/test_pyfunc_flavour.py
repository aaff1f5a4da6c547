"""The MLflow flavour against SQLite and a real server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest

from faceflow_ml import FaceDetector, FaceEmbedder, FacePipeline
from faceflow_ml.errors import WeightsError
from faceflow_ml.inference.images import load_image
from faceflow_ml.tracking.flavour import COLUMNS, log_model, save_model

LOADS = """
import importlib.abc, sys
import pandas as pd

absent = {"torch", "torchvision", "lightning", "timm", "albumentations", "onnx", "torchmetrics"}

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import mlflow.pyfunc

model = mlflow.pyfunc.load_model(sys.argv[1])
photo = open(sys.argv[2], "rb").read()
found = model.predict(pd.DataFrame({"image": [photo, photo]}), params={"max_faces": 1})
print(list(found["photo"]), len(found["embedding"][0]))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pyfunc") / "model"
    save_model(folder)
    return folder


@pytest.fixture
def photo(saved: Path) -> bytes:
    model = mlflow.pyfunc.load_model(str(saved))
    data: bytes = model.input_example["image"][0]
    return data


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server process with a database of its own."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        # Its job queue is of no use here, and is a dozen processes.
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        limit = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < limit, (folder / "log").read_text()
                time.sleep(0.3)
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)


def test_it_finds_and_embeds_as_the_pipeline_does(saved: Path, photo: bytes) -> None:
    found = mlflow.pyfunc.load_model(str(saved)).predict({"image": [photo]})
    expected = FacePipeline.from_pretrained().run(load_image(photo))
    assert list(found.columns) == list(COLUMNS)
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(np.stack(found["embedding"]), expected.vectors, atol=1e-5)
    np.testing.assert_allclose(np.stack(found["box"]), expected.detections.boxes, atol=1e-3)


def test_a_threshold_is_a_parameter_of_the_call(saved: Path, photo: bytes) -> None:
    model = mlflow.pyfunc.load_model(str(saved))
    assert len(model.predict({"image": [photo]}, params={"score_threshold": 0.9999})) == 0


def test_signature_and_example_belong_together(saved: Path) -> None:
    model = mlflow.pyfunc.load_model(str(saved))
    schema = model.metadata.signature
    assert schema.inputs.input_names() == ["image"]
    assert schema.outputs.input_names() == list(COLUMNS)
    assert {schema.params.to_dict()[k]["name"] for k in range(2)} == {
        "score_threshold",
        "max_faces",
    }
    assert len(model.predict(model.input_example)) > 0
    embedder = FaceEmbedder.from_pretrained()
    assert model.metadata.metadata["embedder_contract_id"] == embedder.contract_id


def test_it_loads_without_the_training_extra(saved: Path, photo: bytes, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo)
    done = subprocess.run(
        [sys.executable, "-c", LOADS, str(saved), str(file)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'none.db'}"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "[0, 1] 512"


@pytest.mark.parametrize("home", ["sqlite", "server"])
def test_registered_models_load_by_alias(
    home: str, tmp_path: Path, request: pytest.FixtureRequest, photo: bytes
) -> None:
    uri = f"sqlite:///{tmp_path}/m.db" if home == "sqlite" else request.getfixturevalue("server")
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("flavour")
    with mlflow.start_run(run_name="parent") as parent:
        info = log_model(registered_model_name="faces", alias="champion")
    assert info.run_id == parent.info.run_id
    version = mlflow.MlflowClient().get_model_version_by_alias("faces", "champion")
    assert version.run_id == parent.info.run_id
    loaded = mlflow.pyfunc.load_model("models:/faces@champion")
    assert len(loaded.predict({"image": [photo]})) > 0
    shipped = FacePipeline.from_pretrained()
    detector = FaceDetector.from_pretrained("models:/faces@champion")
    embedder = FaceEmbedder.from_pretrained("models:/faces@champion")
    assert detector.contract_id == shipped.detector.contract_id
    assert detector.score_threshold == shipped.detector.score_threshold
    assert embedder.contract_id == shipped.embedder.contract_id
    assert embedder.match_threshold == shipped.embedder.match_threshold
    with pytest.raises(WeightsError, match="models:/faces@nobody"):
        FaceEmbedder.from_pretrained("models:/faces@nobody")


def test_an_altered_model_is_refused(saved: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(saved, copy)
    (file,) = copy.rglob("embedder.onnx")
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(WeightsError, match="altered"):
        mlflow.pyfunc.load_model(str(copy))


def test_an_alias_needs_a_registered_model() -> None:
    with pytest.raises(ValueError, match="registered_model_name"):
        log_model(alias="champion")
