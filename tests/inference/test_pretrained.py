"""Weights are found, verified and identified, or the reason is given."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from faceflow_ml.errors import WeightsError
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.pipeline import FacePipeline
from faceflow_ml.inference.pretrained import (
    compute_contract_id,
    default_preprocessing,
    read_manifest,
    resolve,
)


def entry(kind: Any, file: str, data: bytes, **calibration: float) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    preprocessing = default_preprocessing(kind)
    return {
        "file": file,
        "sha256": digest,
        "architecture": "toy",
        "contract_id": compute_contract_id(digest, preprocessing),
        "preprocessing": preprocessing,
        "calibration": calibration,
        "metrics": {"ap": 0.5},
        "training": {"epochs": 1},
    }


@pytest.fixture
def weights(
    tmp_path: Path, detector_onnx: bytes, embedder_onnx: bytes, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder of toy weights that stands in for the shipped ones."""
    (tmp_path / "det.onnx").write_bytes(detector_onnx)
    (tmp_path / "emb.onnx").write_bytes(embedder_onnx)
    document = {
        "version": 1,
        "models": {
            "detector": {
                "small": entry("detector", "det.onnx", detector_onnx, score_threshold=0.7)
            },
            "embedder": {
                "light": entry(
                    "embedder",
                    "emb.onnx",
                    embedder_onnx,
                    norm_low=1,
                    norm_high=2,
                    match_threshold=0.3,
                )
            },
        },
        "default": {"detector": "small", "embedder": "light"},
    }
    write(tmp_path, document)
    monkeypatch.setenv("FACEFLOW_WEIGHTS", str(tmp_path))
    return tmp_path


def write(folder: Path, document: object) -> None:
    (folder / "manifest.json").write_text(json.dumps(document))


def read(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text())


def test_default_and_named_models(weights: Path) -> None:
    detector = FaceDetector.from_pretrained()
    assert detector.score_threshold == 0.7
    assert detector.contract_id == FaceDetector.from_pretrained("small").contract_id
    embedder = FaceEmbedder.from_pretrained("light", threads=1)
    assert embedder.norm_range == (1, 2)
    assert embedder.match_threshold == 0.3
    assert FacePipeline.from_pretrained(threads=1).embedder.contract_id == embedder.contract_id


def test_contract_id_is_the_documented_hash(weights: Path, detector_onnx: bytes) -> None:
    weights_hash = hashlib.sha256(detector_onnx).hexdigest()
    text = weights_hash + json.dumps(
        default_preprocessing("detector"), sort_keys=True, separators=(",", ":")
    )
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert FaceDetector.from_pretrained().contract_id == expected
    assert FaceDetector(detector_onnx).contract_id == expected
    assert compute_contract_id(weights_hash, {"b": 1, "a": 2}) == compute_contract_id(
        weights_hash, {"a": 2, "b": 1}
    )
    assert compute_contract_id(weights_hash, {"a": 2}) != expected


def test_paths(weights: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> None:
    by_folder = FaceDetector.from_pretrained(weights)
    assert by_folder.score_threshold == 0.7
    assert FaceDetector(weights / "det.onnx").score_threshold == 0.7  # its manifest is beside it
    bare = tmp_path_factory.mktemp("bare") / "my model.onnx"
    bare.write_bytes((weights / "det.onnx").read_bytes())
    for detector in (FaceDetector(bare), FaceDetector.from_pretrained(str(bare))):
        assert detector.score_threshold == 0.5
        assert detector.contract_id == by_folder.contract_id
    assert FaceDetector(bare.parent).contract_id == by_folder.contract_id
    monkeypatch.chdir(bare.parent)
    assert FaceDetector("my model.onnx").contract_id == by_folder.contract_id
    assert FaceDetector.from_pretrained("my model.onnx").contract_id == by_folder.contract_id


def test_an_altered_file_is_named_with_both_hashes(weights: Path) -> None:
    FaceDetector.from_pretrained()  # verified once: an alteration must be noticed all the same
    path = weights / "det.onnx"
    data = bytearray(path.read_bytes())
    expected = hashlib.sha256(data).hexdigest()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, (1, 1))
    with pytest.raises(WeightsError, match="was altered") as caught:
        FaceDetector.from_pretrained()
    message = str(caught.value)
    assert str(path) in message
    assert expected in message
    assert hashlib.sha256(data).hexdigest() in message
    assert "reinstall" in message
    # Through its path too: the manifest beside it knows better.
    with pytest.raises(WeightsError, match="was altered"):
        FaceDetector(path)


def test_missing_files(
    weights: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch
) -> None:
    (weights / "det.onnx").unlink()
    with pytest.raises(WeightsError, match=r"det\.onnx cannot be read: No such file"):
        FaceDetector.from_pretrained()
    for missing in (weights / "none.onnx", weights / "no" / "folder"):
        with pytest.raises(WeightsError, match="cannot be read"):
            FaceDetector(missing)
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(WeightsError, match=r"exactly one \.onnx file, found 0"):
        FaceDetector(empty)
    monkeypatch.setenv("FACEFLOW_WEIGHTS", str(empty))
    with pytest.raises(WeightsError, match="no weights"):
        FaceDetector.from_pretrained()


def test_a_hidden_folder_of_a_killed_export_is_no_model(
    tmp_path: Path, detector_onnx: bytes
) -> None:
    (tmp_path / ".export-x1").mkdir()
    (tmp_path / ".export-x1/detector.onnx").write_bytes(detector_onnx)
    with pytest.raises(WeightsError, match=r"exactly one \.onnx file, found 0"):
        resolve("detector", tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/detector.onnx").write_bytes(detector_onnx)
    assert resolve("detector", tmp_path).model == tmp_path / "sub/detector.onnx"


def test_unknown_name_lists_the_known(weights: Path) -> None:
    with pytest.raises(WeightsError, match="no detector 'huge' in .*it lists: small"):
        FaceDetector.from_pretrained("huge")
    document = read(weights)
    document["models"]["detector"] = {}
    write(weights, document)
    with pytest.raises(WeightsError, match="no detector 'small' in .*it lists: none"):
        FaceDetector.from_pretrained()


def change(document: Any, path: str, value: object) -> None:
    *parents, last = path.split("/")
    for part in parents:
        document = document[part]
    document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("version", 2, "version"),
        ("extra", 1, "extra"),
        ("models/detector/small/extra", 1, "extra"),
        ("models/detector/small/sha256", "abc", "sha256"),
        ("models/detector/small/file", "../det.onnx", "file"),
        ("models/detector/small/file", "/etc/passwd", "file"),
        ("models/detector/small/calibration", {"score_threshold": "x"}, "score_threshold"),
        ("models/detector/small/preprocessing", {"max_side": 320}, "contract id"),
        ("models/detector/small/contract_id", "0" * 16, "contract id"),
    ],
)
def test_a_manifest_that_does_not_fit(weights: Path, path: str, value: object, reason: str) -> None:
    document = read(weights)
    change(document, path, value)
    write(weights, document)
    with pytest.raises(WeightsError, match=reason):
        FaceDetector.from_pretrained()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1}'])
def test_a_manifest_that_is_damaged(weights: Path, text: str) -> None:
    (weights / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match="not a manifest"):
        read_manifest(weights)


@pytest.mark.parametrize(("kind", "key"), [("detector", "max_side"), ("embedder", "size")])
def test_preprocessing_of_a_newer_version(weights: Path, kind: Any, key: str) -> None:
    model = next(iter(read(weights)["models"][kind]))
    for preprocessing in ({key: 0}, {"gamma": 2.2}):
        document = read(weights)
        found = document["models"][kind][model]
        found["preprocessing"] = preprocessing
        found["contract_id"] = compute_contract_id(found["sha256"], preprocessing)
        write(weights, document)
        with pytest.raises(WeightsError, match="unknown preprocessing"):
            (FaceDetector if kind == "detector" else FaceEmbedder).from_pretrained()


def test_calibration_out_of_range(weights: Path) -> None:
    document = read(weights)
    document["models"]["detector"]["small"]["calibration"]["score_threshold"] = 3
    write(weights, document)
    with pytest.raises(WeightsError, match="score_threshold"):
        FaceDetector.from_pretrained()


@pytest.mark.parametrize("slope", [0, -1, float("nan")])
def test_scores_cannot_fall_as_they_rise(weights: Path, slope: float) -> None:
    document = read(weights)
    document["models"]["detector"]["small"]["calibration"]["score_slope"] = slope
    write(weights, document)
    with pytest.raises(WeightsError, match="score_slope"):
        FaceDetector.from_pretrained()


def test_models_from_an_mlflow_registry(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asked: list[str] = []
    plain = tmp_path_factory.mktemp("registry")  # as MLflow's ONNX flavour lays it out
    (plain / "MLmodel").touch()
    (plain / "model.onnx").write_bytes((weights / "det.onnx").read_bytes())

    def download(artifact_uri: str) -> str:
        asked.append(artifact_uri)
        if "missing" in artifact_uri:
            raise RuntimeError("Registered Model not found")
        return str(weights if "folder" in artifact_uri else plain)

    artifacts = ModuleType("mlflow.artifacts")
    artifacts.download_artifacts = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow.artifacts", artifacts)
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    assert FaceDetector.from_pretrained("models:/faces-folder@champion").score_threshold == 0.7
    assert FaceDetector.from_pretrained("models:/faces/3").score_threshold == 0.5
    with pytest.raises(WeightsError, match="cannot be fetched: Registered Model not found"):
        FaceDetector.from_pretrained("models:/missing@champion")
    assert asked[0] == "models:/faces-folder@champion"
    monkeypatch.setitem(sys.modules, "mlflow.artifacts", None)
    with pytest.raises(WeightsError, match=r"faceflow-ml\[train\]"):
        resolve("detector", "models:/faces@champion")


def test_the_folder_in_the_package_is_used_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEFLOW_WEIGHTS", raising=False)
    import faceflow_ml.weights
    from faceflow_ml.inference.pretrained import weights_dir

    assert weights_dir() == Path(faceflow_ml.weights.__file__).parent


def test_a_second_session_does_not_hash_again(weights: Path, monkeypatch) -> None:
    first = resolve("detector")
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read twice"))
    assert resolve("detector").contract_id == first.contract_id


def test_models_answer_the_same_from_path_and_bytes(weights: Path, detector_onnx: bytes) -> None:
    image = np.full((96, 96, 3), 128, np.uint8)
    image[32:64, 32:64] = (255, 0, 40)
    a, b = (
        FaceDetector(model).detect(image, score_threshold=0.5)
        for model in (weights / "det.onnx", detector_onnx)
    )
    assert len(a) > 0
    np.testing.assert_array_equal(a.boxes, b.boxes)
