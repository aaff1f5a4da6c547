"""Export: files that inference loads, that agree with PyTorch, and that say so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray

from faceflow_ml import FaceDetector, FaceEmbedder
from faceflow_ml.data.synthetic_shards import synthetic_identity_shard
from faceflow_ml.errors import ConfigError, FaceFlowError, WeightsError
from faceflow_ml.export import export
from faceflow_ml.export.export import ExportResult, export_model
from faceflow_ml.export.formats import Precision, write_int8, write_onnx
from faceflow_ml.export.graphs import AlignerGraph, load_graph
from faceflow_ml.export.parity import compare
from faceflow_ml.inference import companions
from faceflow_ml.inference.aligner import FaceAligner
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE
from faceflow_ml.inference.pretrained import resolve
from faceflow_ml.inference.types import VIEW_SIZE
from faceflow_ml.models.registry import Kind, create_model


def _checkpoint(folder: Path, kind: Kind, name: str, input_size: int = 112) -> Path:
    """An untrained network whose statistics are not the initial ones, as a checkpoint."""
    torch.manual_seed(0)
    options = {"input_size": input_size} if kind == "embedder" else {}
    model = create_model(kind, name, **options)
    size = {"embedder": input_size, "detector": 128}.get(kind, VIEW_SIZE)
    with torch.no_grad():
        if kind in ("aligner", "refiner"):  # their last layer starts at zero
            torch.nn.init.normal_(model.output.weight, std=0.5)
        for _ in range(3):
            model(torch.randint(0, 256, (8, 3, size, size), dtype=torch.uint8))
    config = {"model": {"name": name, **options}}
    file = folder / f"{name}.ckpt"
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state, "faceflow": {"kind": kind, "config": config}}, file)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def detector(folder: Path) -> Path:
    return _checkpoint(folder, "detector", "mobilenetv3_fpn_tiny")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Path:
    return _checkpoint(folder, "embedder", "iresnet_light")


@pytest.fixture(scope="module")
def aligner(folder: Path) -> Path:
    return _checkpoint(folder, "aligner", "aligner_small")


@pytest.fixture(scope="module")
def aligners(folder: Path, aligner: Path) -> dict[Precision, ExportResult]:
    """The aligner in each precision; integers are made from half precision."""
    out, faces = folder / "aligners", synthetic_identity_shard(3, 4, 0, folder)
    full = export_model("aligner", aligner, out / "fp32", data=faces)
    half = export_model("aligner", aligner, out / "fp16", precision="fp16", data=faces)
    whole = export_model("aligner", half.model, out / "int8", precision="int8", data=faces)
    return {"fp32": full, "fp16": half, "int8": whole}


@pytest.fixture(scope="module")
def weights(folder: Path, detector: Path, embedder: Path) -> Path:
    """A weights folder with both models."""
    out = folder / "weights"
    export_model("detector", detector, out)
    export_model("embedder", embedder, out, precision="fp16", name="face")
    return out


@pytest.fixture
def quick_detector(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing the detector, which takes half a minute, gives what it gave for ``weights``."""

    def write(kind: Kind, graph: torch.nn.Module, file: Path) -> None:
        if kind == "detector":
            shutil.copyfile(weights / "mobilenetv3_fpn_tiny.onnx", file)
        else:
            write_onnx(kind, graph, file)

    monkeypatch.setattr(export, "write_onnx", write)


@pytest.fixture
def faces() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)


def test_the_folder_is_loaded_by_inference(weights: Path, faces: NDArray[np.uint8]) -> None:
    found = FaceDetector.from_pretrained(str(weights)).detect(faces[0], score_threshold=0.0)
    assert len(found) > 0
    vectors = FaceEmbedder.from_pretrained(str(weights)).embed(faces)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def test_a_second_model_keeps_the_first(weights: Path) -> None:
    manifest = json.loads((weights / "manifest.json").read_text())
    assert manifest["default"]["detector"] == "mobilenetv3_fpn_tiny"
    assert manifest["default"]["embedder"] == "face"
    assert manifest["models"]["embedder"]["face"]["architecture"] == "iresnet_light"


def test_a_detector_comes_with_its_aligner(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = json.loads((weights / "manifest.json").read_text())["models"]
    (aligner,) = entry["aligner"].values()
    wanted = entry["detector"]["mobilenetv3_fpn_tiny"]["preprocessing"]["aligner"]
    assert wanted == aligner["contract_id"] == FaceAligner.from_pretrained().contract_id
    monkeypatch.setattr(companions, "shipped_dir", lambda: tmp_path)
    monkeypatch.setenv("FACEFLOW_WEIGHTS", str(tmp_path))
    FaceDetector.from_pretrained(str(weights))
    (weights / aligner["file"]).rename(tmp_path / "gone")
    try:
        with pytest.raises(WeightsError, match="cannot be read"):
            FaceDetector.from_pretrained(str(weights))
    finally:
        (tmp_path / "gone").rename(weights / aligner["file"])


@pytest.mark.usefixtures("quick_detector")
def test_a_detector_asks_the_refiner_of_its_folder(detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    judge = export_model("refiner", _checkpoint(tmp_path, "refiner", "refiner_small"), out)
    assert judge.parity[0].score < 1e-3 > judge.parity[1].score
    export_model("detector", detector, out)
    manifest = json.loads((out / "manifest.json").read_text())
    (entry,) = manifest["models"]["detector"].values()
    assert entry["preprocessing"]["refiner"] == judge.contract_id
    with_it = FaceDetector.from_pretrained(str(out))
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    scores = with_it.detect(photo, score_threshold=0.0).scores
    alone = with_it.candidates([photo], score_threshold=0.0)[0].scores
    assert len(scores) and scores.max() != alone.max()


@pytest.mark.usefixtures("quick_detector")
def test_the_aligner_of_the_folder_goes_before_the_shipped_one(
    detector: Path, aligners: dict[Precision, ExportResult], tmp_path: Path
) -> None:
    out, own = tmp_path / "out", aligners["fp32"]
    shutil.copytree(own.model.parent, out)
    export_model("detector", detector, out)
    manifest = json.loads((out / "manifest.json").read_text())
    (entry,) = manifest["models"]["detector"].values()
    assert entry["preprocessing"]["aligner"] == own.contract_id
    assert manifest["default"]["aligner"] == "aligner_small"
    assert list(manifest["models"]["aligner"]) == ["aligner_small"]


def test_parity_is_reported_for_both_files(weights: Path) -> None:
    report = json.loads((weights / "face.parity.json").read_text())
    assert {part["file"] for part in report} == {"face.onnx", "face.ts"}
    assert all(0.999 < part["cosine"] <= 1.0001 for part in report)


def test_parity_sees_another_network(weights: Path, folder: Path, faces: NDArray[np.uint8]) -> None:
    other = folder / "other"
    other.mkdir()
    torch.manual_seed(7)
    file = other / "x.ckpt"
    content = torch.load(folder / "iresnet_light.ckpt")
    content["state_dict"]["model.fc.weight"] = torch.randn_like(
        content["state_dict"]["model.fc.weight"]
    )
    torch.save(content, file)
    graph, _ = load_graph("embedder", file)
    assert compare("embedder", graph, weights / "face.onnx", [faces]).cosine < 0.9


def test_half_precision_halves_the_file(weights: Path, embedder: Path, folder: Path) -> None:
    full = export_model("embedder", embedder, folder / "full")
    assert (weights / "face.onnx").stat().st_size < 0.55 * full.bytes


@pytest.mark.parametrize(
    ("precision", "smaller", "share"), [("fp16", 0.55, 0.01), ("int8", 0.45, 0.1)]
)
def test_a_smaller_aligner_moves_landmarks_alike(
    aligners: dict[Precision, ExportResult], precision: Precision, smaller: float, share: float
) -> None:
    full, small = aligners["fp32"], aligners[precision]
    assert small.bytes < smaller * full.bytes and small.contract_id != full.contract_id
    assert small.parity[0].images == 12
    photo = np.random.default_rng(2).integers(0, 256, (200, 200, 3), np.uint8)
    landmarks = (ARCFACE_TEMPLATE + 40)[None].astype(np.float32)
    expected, found = (
        FaceAligner.from_pretrained(one.model.parent).correct(photo, landmarks)
        for one in (full, small)
    )
    moved = np.abs(expected - landmarks).max()
    assert moved > 0.5
    assert 0 < small.parity[0].pixels < share * moved
    assert np.abs(found - expected).max() < share * moved


def test_nothing_of_this_machine_is_in_the_files(weights: Path) -> None:
    here = str(Path(__file__).resolve().parents[2]).encode()
    for file in weights.glob("*.onnx"):
        content = file.read_bytes()
        assert here not in content and b"site-packages" not in content, file.name


def test_any_size_and_batch(weights: Path) -> None:
    detector = FaceDetector.from_pretrained(str(weights))
    for shape in ((33, 500, 3), (640, 480, 3), (97, 97, 3)):
        images = list(np.random.default_rng(1).integers(0, 256, (2, *shape), np.uint8))
        together = detector.detect_batch(images, score_threshold=0.0, max_faces=5)
        for image, found in zip(images, together, strict=True):
            alone = detector.detect(image, score_threshold=0.0, max_faces=5)
            assert len(alone) == 5
            np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-2)


def test_embedding_averages_the_mirror_image(weights: Path, faces: NDArray[np.uint8]) -> None:
    model = FaceEmbedder.from_pretrained(str(weights))
    np.testing.assert_allclose(
        model.embed(faces), model.embed(np.ascontiguousarray(faces[:, :, ::-1])), atol=1e-4
    )


@pytest.mark.parametrize("kind", ["detector", "aligner"])
def test_int8_needs_photos(request: pytest.FixtureRequest, tmp_path: Path, kind: Kind) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="--data"):
        export_model(kind, request.getfixturevalue(kind), out, precision="int8")
    assert not out.exists()


@pytest.mark.parametrize("failing", ["compare", "write_torchscript"])
def test_an_export_that_fails_leaves_the_model_before(
    failing: str, aligners: dict[Precision, ExportResult], tmp_path: Path, monkeypatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(aligners["fp32"].model.parent, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fail(*_arguments: object) -> None:
        raise FaceFlowError("another network")

    monkeypatch.setattr(export, failing, fail)
    with pytest.raises(FaceFlowError, match="another network"):
        export_model("aligner", aligners["fp16"].model, out, name="aligner_small")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert resolve("aligner", out).contract_id == aligners["fp32"].contract_id


@pytest.mark.parametrize("name", ["my model", "../evil", "é", ".hidden", "-x", ""])
def test_a_name_that_is_no_file_name_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a name"):
        export_model("aligner", tmp_path / "none.ckpt", tmp_path / "out", name=name)
    assert not list(tmp_path.iterdir())


def test_integers_are_not_exported_again(
    aligners: dict[Precision, ExportResult], tmp_path: Path
) -> None:
    with pytest.raises(FaceFlowError, match="quantized"):
        export_model("aligner", aligners["int8"].model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_int8_stays_close(embedder: Path, tmp_path: Path, faces: NDArray[np.uint8]) -> None:
    graph, _ = load_graph("embedder", embedder)
    write_onnx("embedder", graph, tmp_path / "full.onnx")
    write_int8(tmp_path / "full.onnx", tmp_path / "small.onnx", [faces])
    assert compare("embedder", graph, tmp_path / "small.onnx", [faces]).cosine > 0.9
    full, small = (tmp_path / name for name in ("full.onnx", "small.onnx"))
    assert small.stat().st_size < 0.5 * full.stat().st_size


def test_a_checkpoint_of_the_other_kind_is_refused(detector: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="holds a detector"):
        export_model("embedder", detector, tmp_path / "out")


def test_weights_of_several_checkpoints_are_averaged(
    aligner: Path, aligners: dict[Precision, ExportResult], tmp_path: Path
) -> None:
    content = torch.load(aligner)
    weights = {
        name: value for name, value in content["state_dict"].items() if value.is_floating_point()
    }
    content["state_dict"] |= {name: 3 * value for name, value in weights.items()}
    other = tmp_path / "other.ckpt"
    torch.save(content, other)
    mean, _ = load_graph("aligner", aligner, [other])
    for name, value in mean.state_dict().items():
        if name in weights:
            torch.testing.assert_close(value, 2 * weights[name])
    # The mean of a model with itself is that model.
    same = export_model("aligner", aligner, tmp_path / "out", averaged_with=[aligner])
    assert same.model.read_bytes() == aligners["fp32"].model.read_bytes()


def test_other_models_have_no_mean(detector: Path, aligner: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="holds a detector"):
        load_graph("aligner", aligner, [detector])
    larger = _checkpoint(tmp_path, "detector", "mobilenetv3_fpn_small")
    with pytest.raises(FaceFlowError, match="no mean"):
        load_graph("detector", detector, [larger])


def test_low_resolution_embedders_are_refused(tmp_path: Path) -> None:
    small = _checkpoint(tmp_path, "embedder", "iresnet_light", input_size=64)
    with pytest.raises(FaceFlowError, match="64 px"):
        export_model("embedder", small, tmp_path / "out")


def test_aligners_are_exported_too(aligner: Path, aligners: dict[Precision, ExportResult]) -> None:
    result = aligners["fp32"]
    assert result.torchscript.is_file()
    weights = resolve("aligner", result.model.parent)
    assert weights.contract_id == result.contract_id

    views = np.random.default_rng(3).integers(0, 256, (5, 64, 64, 3), np.uint8)
    session = ort.InferenceSession(str(result.model), providers=["CPUExecutionProvider"])
    (found,) = session.run(["corrections"], {"images": views})
    model = create_model("aligner", "aligner_small").eval()
    state = torch.load(aligner)["state_dict"]
    model.load_state_dict({key.removeprefix("model."): value for key, value in state.items()})
    with torch.no_grad():
        expected = model(torch.from_numpy(views).permute(0, 3, 1, 2)).numpy()
    assert found.shape == (5, 4) and np.abs(found).max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-5)
    here = str(Path(__file__).resolve().parents[2]).encode()
    assert here not in result.model.read_bytes()

    with torch.no_grad():
        model.output.bias += 0.1  # by the output's scale a hundredth, 0.76 px of shift
    parity = compare("aligner", AlignerGraph(model), result.model, [views])
    assert parity.score == pytest.approx(0.01, abs=1e-3) and parity.pixels > 0.7
