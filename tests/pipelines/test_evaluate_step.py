"""The evaluation step on small models that answer by the image: who is refused, and why."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceflow_ml import FaceDetector, FaceEmbedder
from faceflow_ml.clustering.confidence import ConfidenceModel
from faceflow_ml.data.synthetic_shards import synthetic_identity_shard, synthetic_photo_shard
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.evaluation.photo_sources import read_aligned_faces
from faceflow_ml.files import unpack_archive
from faceflow_ml.inference.pretrained import (
    Kind,
    Manifest,
    ModelEntry,
    compute_contract_id,
    default_preprocessing,
    read_manifest,
)
from pipelines.archives import pack
from pipelines.registry import REGISTRY_VARIABLE
from pipelines.steps.champions import find_champions
from pipelines.steps.evaluate import Measured, evaluate_model, make_report
from pipelines.steps.prepare import prepare_data, render_data
from tests.inference.conftest import Graph, build_detector, build_embedder


def archive(folder: Path, kind: Kind, model: bytes) -> Path:
    """``folder/model.tar.gz`` of a weights folder with one model."""
    made = folder / "made"
    made.mkdir(parents=True)
    (made / "small.onnx").write_bytes(model)
    digest = hashlib.sha256(model).hexdigest()
    settings = default_preprocessing(kind)
    entry = ModelEntry(
        file="small.onnx",
        sha256=digest,
        architecture="small",
        contract_id=compute_contract_id(digest, settings),
        preprocessing=settings,
    )
    manifest = Manifest(version=1, models={kind: {"small": entry}}, default={kind: "small"})
    (made / "manifest.json").write_text(manifest.model_dump_json())
    (made / "best.ckpt").write_bytes(b"a checkpoint is not deployed")
    pack(made, folder / "model.tar.gz")
    return folder


def constant_embedder() -> bytes:
    """Everybody has the same vector."""
    g = Graph()
    pooled = g("ReduceMean", g.images(112), axes=[1, 2, 3], keepdims=0)
    zero = g("Mul", pooled, g.const([0.0]))
    column = g("Unsqueeze", zero, g.const(np.array([1])))
    vector = np.zeros((1, 512))
    vector[0, 0] = 1.0
    g("Add", column, g.const(vector), name="embeddings")
    g("Add", zero, g.const([1.0]), name="norms")
    return g.build({"embeddings": ["n", 512], "norms": ["n"]})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    render_data(out, photos=3, people=4, faces=4, seed=1)
    return out


def evaluate(
    kind: Kind, tmp_path: Path, data: Path, model: bytes, champion: bytes | None
) -> dict[str, Any]:
    rival = tmp_path / "champion"
    if champion is None:
        rival.mkdir(parents=True)
        (rival / "NO_CHAMPION").touch()
    else:
        archive(rival, kind, champion)
    evaluate_model(
        kind,
        archive(tmp_path / "model", kind, model),
        rival,
        data / f"{kind}_val",
        tmp_path / "report",
        tmp_path / "out",
    )
    found: dict[str, Any] = json.loads((tmp_path / "report/evaluation.json").read_text())
    return found


def passes(report: dict[str, Any], minimum: float = 0.0, tolerance: float = 0.05) -> bool:
    """The two conditions of the pipeline."""
    return bool(report["gate"]["metric"] >= minimum and report["gate"]["loss"] <= tolerance)


def test_the_first_embedder_passes_and_is_packed_for_deployment(tmp_path: Path, data: Path) -> None:
    report = evaluate("embedder", tmp_path, data, build_embedder(), None)
    assert passes(report)
    assert report["champion"] is None
    assert report["gate"]["metric"] == report["metrics"]["tar_at_far_1e_3"]["value"]
    with tarfile.open(tmp_path / "out/model.tar.gz") as opened:
        assert sorted(opened.getnames()) == ["manifest.json", "small.onnx"]
    unpack_archive(tmp_path / "out/model.tar.gz", tmp_path / "deployed")
    entry = read_manifest(tmp_path / "deployed").models["embedder"]["small"]
    assert entry.contract_id == report["contract_id"]
    assert entry.metrics["identities"] == report["metrics"]
    card = json.loads(report["model_card"])
    assert card["additional_information"]["custom_details"]["contract_id"] == report["contract_id"]


def test_an_embedder_is_deployed_with_thresholds_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "embedder_val"
    synthetic_identity_shard(5, 3, 1, data).rename(data / "val.parquet")
    report = evaluate("embedder", tmp_path, tmp_path, build_embedder(), None)
    unpack_archive(tmp_path / "out/model.tar.gz", tmp_path / "deployed")
    embedder = FaceEmbedder.from_pretrained(tmp_path / "deployed")
    assert embedder.calibration == report["calibration"]
    assert embedder.norm_range is not None
    assert ConfidenceModel.of_calibration(embedder.calibration) is not None
    faces = read_aligned_faces(data)
    vectors = embedder.embed(np.stack([face.decode() for face in faces]))
    alike = vectors @ vectors.T
    # It is one that these faces can be told apart by at all.
    assert alike.min() < (embedder.match_threshold or 0.0) < alike.max()


def test_a_detector_is_deployed_with_a_threshold_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "detector_val"
    synthetic_photo_shard(10, 1, data).rename(data / "val.parquet")
    report = evaluate("detector", tmp_path, tmp_path, build_detector(factor=0.3), None)
    unpack_archive(tmp_path / "out/model.tar.gz", tmp_path / "deployed")
    detector = FaceDetector.from_pretrained(tmp_path / "deployed")
    assert detector.score_threshold == report["calibration"]["score_threshold"] < 0.3
    used = report["metrics"]["at_threshold"]
    assert used["score_threshold"] == detector.score_threshold
    assert used["false_positives_per_image"] <= 0.1


def test_chance_is_no_calibration(tmp_path: Path, data: Path) -> None:
    for kind, model in (("embedder", build_embedder()), ("detector", build_detector())):
        assert evaluate(kind, tmp_path / kind, data, model, None)["calibration"] == {}


def test_a_model_is_not_worse_than_itself(tmp_path: Path, data: Path) -> None:
    report = evaluate("embedder", tmp_path, data, build_embedder(), build_embedder())
    assert report["gate"]["loss"] == 0.0
    assert report["champion"]["mcnemar_p"] == 1.0
    assert passes(report, tolerance=0.0)


def test_a_worse_embedder_is_refused(tmp_path: Path, data: Path) -> None:
    report = evaluate("embedder", tmp_path, data, constant_embedder(), build_embedder())
    assert report["gate"]["loss"] > 0.05
    assert not passes(report)
    assert report["champion"]["difference"]["value"] < 0
    assert "champion" in report["gate"]["summary"]


def test_the_first_model_is_measured_against_the_shipped_one(
    tmp_path: Path, data: Path, local_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REGISTRY_VARIABLE, f"sqlite:///{local_root / 'mlflow.db'}")
    champion = tmp_path / "champion"
    groups: dict[Kind, str] = {"detector": "our-detector", "embedder": "our-embedder"}
    find_champions(groups, "s3://bucket/shipped", tmp_path, champion)
    shipped = FaceDetector.from_pretrained().contract_id
    assert json.loads((tmp_path / "champions.json").read_text())["detector"] == {
        "model_data_url": "s3://bucket/shipped",
        "version": 0,
        "contract_id": shipped,
    }
    unpack_archive(champion / "model.tar.gz", tmp_path / "shipped")
    assert FaceDetector.from_pretrained(tmp_path / "shipped").contract_id == shipped
    model = archive(tmp_path / "model", "embedder", build_embedder())
    report = tmp_path / "report"
    evaluate_model("embedder", model, champion, data / "embedder_val", report, tmp_path / "out")
    found = json.loads((report / "evaluation.json").read_text())
    assert found["champion"]["contract_id"] == FaceEmbedder.from_pretrained().contract_id
    assert not passes(found)  # a random projection is no match for it


def test_a_better_embedder_passes(tmp_path: Path, data: Path) -> None:
    report = evaluate("embedder", tmp_path, data, build_embedder(), constant_embedder())
    assert report["champion"]["difference"]["value"] > 0
    assert passes(report)


@pytest.mark.parametrize("kind", ["embedder", "detector"])
def test_a_model_that_gives_no_numbers_is_refused(tmp_path: Path, data: Path, kind: Kind) -> None:
    nan = float("nan")
    broken = build_embedder(scale=nan) if kind == "embedder" else build_detector(factor=nan)
    good = build_embedder() if kind == "embedder" else build_detector()
    report = evaluate(kind, tmp_path, data, broken, good)
    assert not passes(report, minimum=0.0, tolerance=1.0), report["gate"]
    json.dumps(report, allow_nan=False)


def test_a_metric_that_is_nan_is_refused_by_any_gate() -> None:
    report = make_report("embedder", Measured("a" * 16, float("nan"), problem="vectors"), None)
    assert report["gate"]["metric"] == -1.0
    assert report["gate"]["loss"] == 1.0
    assert "is not a number (vectors)" in report["gate"]["summary"]
    assert not passes(report, minimum=0.0, tolerance=1.0)


def test_a_champion_that_gives_no_numbers_holds_nobody_up() -> None:
    challenger = Measured("a" * 16, 0.5, resampled=np.array([0.5]), right=np.array([True]))
    report = make_report("embedder", challenger, Measured("b" * 16, float("nan")))
    assert passes(report, minimum=0.4)


def test_the_detector_is_measured_on_photos(tmp_path: Path, data: Path) -> None:
    report = evaluate("detector", tmp_path, data, build_detector(), build_detector(factor=0.5))
    assert report["metrics"]["photos"] == 3
    assert report["gate"]["metric"] == report["metrics"]["average_precision"]


def test_data_are_checked_and_their_fingerprint_follows_them(tmp_path: Path, data: Path) -> None:
    source = tmp_path / "source"
    for kind, name in (("detector", "detection"), ("embedder", "identities")):
        (source / name).mkdir(parents=True)
        for split in ("train", "val"):
            content = (data / f"{kind}_{split}" / f"{split}.parquet").read_bytes()
            (source / name / f"{split}.parquet").write_bytes(content)
    prepare_data(source, tmp_path / "out")
    report = json.loads((tmp_path / "out/report/data.json").read_text())
    assert report == json.loads((data / "report/data.json").read_text())
    assert report["val"]["people"] == 4

    leaked = (source / "identities/train.parquet").read_bytes()
    (source / "identities/val.parquet").write_bytes(leaked)
    with pytest.raises(FaceFlowError, match="4 people are in train and val"):
        prepare_data(source, tmp_path / "leaked")
    (source / "identities/val.parquet").unlink()
    with pytest.raises(FaceFlowError, match="no Parquet shards of split 'val'"):
        prepare_data(source, tmp_path / "missing")


def test_equal_files_make_equal_archives(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a").write_text("x")
    pack(tmp_path / "model", tmp_path / "one.tar.gz")
    (tmp_path / "model/a").touch()
    pack(tmp_path / "model", tmp_path / "two.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
