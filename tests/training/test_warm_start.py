"""Exported weights give a run the network they came from, in evaluation and in training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from faceflow_ml.errors import FaceFlowError  # noqa: E402
from faceflow_ml.export.formats import write_fp16, write_onnx  # noqa: E402
from faceflow_ml.export.graphs import DetectorGraph, EmbedderGraph  # noqa: E402
from faceflow_ml.models.registry import Kind, create_model  # noqa: E402
from faceflow_ml.training.config import EmbedderConfig  # noqa: E402
from faceflow_ml.training.embedder import EmbedderModule  # noqa: E402
from faceflow_ml.training.warm_start import load_onnx_weights  # noqa: E402


def images(kind: Kind, count: int = 3):
    generator = torch.Generator().manual_seed(1)
    shape = (4, 3, 112, 112) if kind == "embedder" else (4, 3, 96, 96)
    return [torch.randint(0, 256, shape, generator=generator).float() for _ in range(count)]


def trained_like(kind: Kind, name: str):
    """A network whose normalisation has statistics of its own, as after training."""
    torch.manual_seed(0)
    model = create_model(kind, name)
    model.train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
        for batch in images(kind, 8):
            model(batch)
    return model.eval()


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    models = {
        "embedder": trained_like("embedder", "iresnet_light"),
        "detector": trained_like("detector", "mobilenetv3_fpn_tiny"),
    }
    write_onnx("embedder", EmbedderGraph(models["embedder"]), folder / "embedder.onnx")
    write_onnx("detector", DetectorGraph(models["detector"]), folder / "detector.onnx")
    write_fp16(folder / "embedder.onnx", folder / "embedder-fp16.onnx")
    return models, folder


def outputs(model, batch):
    with torch.no_grad():
        result = model(batch)
    return [result] if isinstance(result, torch.Tensor) else list(result)


@pytest.mark.parametrize(
    ("kind", "name", "file", "tolerance"),
    [
        ("embedder", "iresnet_light", "embedder.onnx", 1e-4),
        ("embedder", "iresnet_light", "embedder-fp16.onnx", 2e-2),
        ("detector", "mobilenetv3_fpn_tiny", "detector.onnx", 1e-4),
    ],
)
def test_the_network_comes_back(exports, kind, name, file, tolerance):
    models, folder = exports
    fresh = create_model(kind, name)
    load_onnx_weights(fresh, folder / file, images(kind))
    fresh.eval()
    batch = images(kind, 1)[0]
    for ours, theirs in zip(outputs(fresh, batch), outputs(models[kind], batch), strict=True):
        scale = theirs.abs().max()
        assert (ours - theirs).abs().max() <= tolerance * scale


def test_folded_normalisation_gives_the_same_in_training(exports):
    """Batch statistics of the images it was measured on are those that it was given."""
    _, folder = exports
    (batch,) = images("detector", 1)
    fresh = create_model("detector", "mobilenetv3_fpn_tiny")
    load_onnx_weights(fresh, folder / "detector.onnx", [batch])
    fresh.eval()
    expected = outputs(fresh, batch)
    fresh.train()
    for ours, theirs in zip(outputs(fresh, batch), expected, strict=True):
        assert (ours - theirs).abs().max() <= 0.02 * theirs.abs().max()


def test_a_deeper_network_starts_where_the_shallower_ended(exports):
    models, folder = exports
    deeper = create_model("embedder", "iresnet_medium")
    load_onnx_weights(deeper, folder / "embedder.onnx", images("embedder"))
    deeper.eval()
    batch = images("embedder", 1)[0]
    expected = outputs(models["embedder"], batch)[0]
    assert (outputs(deeper, batch)[0] - expected).abs().max() <= 1e-4 * expected.abs().max()
    # A block that changes the size of its maps cannot start as an identity.
    with pytest.raises(FaceFlowError, match="another network"):
        load_onnx_weights(
            create_model("embedder", "iresnet18"), folder / "embedder.onnx", images("embedder")
        )


def checkpoint_of(model, identities):
    return {
        "state_dict": {
            **{f"model.{key}": value for key, value in model.state_dict().items()},
            "head.weight": torch.ones(len(identities), 1, 512),
        },
        "faceflow": {"identities": identities},
    }


def embedder_module(name, identities):
    config = EmbedderConfig.model_validate(
        {"data": {"synthetic_people": 2}, "model": {"name": name}}
    )
    return EmbedderModule(config, identities)


def embedder_data(labels):
    """Data whose faces, ``len(labels)`` of them, are noise."""
    generator = np.random.default_rng(0)
    faces = generator.integers(0, 256, (len(labels), 112, 112, 3), dtype=np.uint8)

    class Faces(SimpleNamespace):
        def __len__(self):
            return len(self.labels)

    return SimpleNamespace(train_cache=Faces(images=faces, labels=np.array(labels)))


def test_centres_of_new_identities_start_where_the_embedder_puts_them(exports):
    models, _ = exports
    module = embedder_module("iresnet_light", ["ann", "bob", "cid"])
    data = embedder_data([2, 0, 1, 2, 0])
    module.start_from(checkpoint_of(models["embedder"], ["bob", "eve"]), data)
    centres = module.head.weight[:, 0]
    torch.testing.assert_close(centres[1], torch.ones(512))  # carried over
    faces = torch.from_numpy(data.train_cache.images).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        vectors = torch.nn.functional.normalize(models["embedder"](faces))
    for identity in (0, 2):
        mean = vectors[data.train_cache.labels == identity].mean(0)
        assert torch.cosine_similarity(centres[identity], mean, dim=0) > 0.999
    assert module.model.training


def test_a_deeper_network_starts_from_a_checkpoint_and_learns(exports):
    models, _ = exports
    module = embedder_module("iresnet_medium", ["ann", "bob"])
    module.start_from(checkpoint_of(models["embedder"], ["bob", "ann"]), embedder_data([0, 1]))
    module.eval()
    batch = images("embedder", 1)[0]
    torch.testing.assert_close(module(batch), models["embedder"](batch))
    module(batch).square().sum().backward()
    new = module.model.get_parameter("stages.2.4.residual.4.weight")
    assert new.grad is not None and new.grad.abs().sum() > 0


def test_another_network_is_refused(exports):
    _, folder = exports
    with pytest.raises(FaceFlowError, match="another network"):
        load_onnx_weights(
            create_model("detector", "mobilenetv3_fpn_small"),
            folder / "detector.onnx",
            images("detector"),
        )


@pytest.mark.parametrize("content", [None, b"", b"no graph at all"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None):
    file = tmp_path / "weights.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FaceFlowError, match=r"weights\.onnx"):
        load_onnx_weights(create_model("embedder", "iresnet_light"), file, images("embedder", 1))
