"""Vectors, their norms, and the sessions behind them."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflow_ml.errors import FaceFlowError, WeightsError
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.session import open_session


@pytest.fixture(scope="module")
def embedder(embedder_onnx: bytes) -> FaceEmbedder:
    return FaceEmbedder(embedder_onnx, threads=1)


def faces(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 112, 112, 3), dtype=np.uint8)


def test_vectors_are_unit_and_tell_crops_apart(embedder: FaceEmbedder) -> None:
    crops = faces(3)
    vectors, norms = embedder.embed_with_norms(crops)
    assert vectors.shape == (3, 512)
    assert vectors.dtype == norms.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (norms > 0).all()
    np.testing.assert_array_equal(embedder.embed(crops), vectors)
    np.testing.assert_allclose(embedder.embed(crops[::-1]), vectors[::-1], atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


@pytest.mark.parametrize("batch_size", [1, 2, 5, 7, 100])
def test_batch_size_does_not_change_vectors(embedder: FaceEmbedder, batch_size: int) -> None:
    crops = faces(7)
    np.testing.assert_allclose(
        embedder.embed(crops, batch_size=batch_size), embedder.embed(crops), atol=1e-5
    )


def test_no_faces(embedder: FaceEmbedder) -> None:
    vectors, norms = embedder.embed_with_norms(faces(0))
    assert (vectors.shape, norms.shape) == ((0, 512), (0,))


@pytest.mark.parametrize("view", [lambda a: a[..., ::-1], lambda a: a[:, ::-1], np.asfortranarray])
def test_views_are_read_right(embedder: FaceEmbedder, view) -> None:
    crops = view(faces(2))
    np.testing.assert_array_equal(embedder.embed(crops), embedder.embed(crops.copy(order="C")))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 3, 112]), max_size=5),
    st.sampled_from(["u1", "i1", "f4", "f8", "?", "O"]),
)
def test_any_other_array_is_a_value_error(
    embedder: FaceEmbedder, shape: list[int], dtype: str
) -> None:
    if len(shape) == 4 and shape[1:] == [112, 112, 3] and dtype == "u1":
        return
    with pytest.raises(ValueError, match=r"expected aligned RGB faces \(n, 112, 112, 3\) uint8"):
        embedder.embed(np.broadcast_to(np.zeros((), dtype), shape))  # takes no memory


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, None])
def test_bad_batch_size(embedder: FaceEmbedder, batch_size: object) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        embedder.embed(faces(1), batch_size=batch_size)  # type: ignore[arg-type]


def test_rounding_is_normalised_away_but_other_lengths_are_an_error(make_embedder) -> None:
    rounded = FaceEmbedder(make_embedder(scale=1.01), threads=1).embed(faces(2))
    np.testing.assert_allclose(np.linalg.norm(rounded, axis=1), 1, atol=1e-6)
    with pytest.raises(WeightsError, match="not L2-normalised"):
        FaceEmbedder(make_embedder(scale=2.0), threads=1).embed(faces(2))
    with pytest.raises(WeightsError, match="not finite"):
        FaceEmbedder(make_embedder(scale=float("nan")), threads=1).embed(faces(2))


def test_a_detector_is_not_an_embedder(detector_onnx: bytes) -> None:
    with pytest.raises(WeightsError, match="embeddings, norms"):
        FaceEmbedder(detector_onnx)


@pytest.mark.parametrize("model", [b"", b"not onnx", b"\x08\x08" * 100])
def test_bytes_that_are_no_model(model: bytes) -> None:
    with pytest.raises(WeightsError, match="not a model"):
        FaceEmbedder(model)


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_bad_threads(embedder_onnx: bytes, threads: object) -> None:
    with pytest.raises(ValueError, match="threads"):
        FaceEmbedder(embedder_onnx, threads=threads)  # type: ignore[arg-type]


def test_devices(embedder_onnx: bytes) -> None:
    outputs = {"embeddings": 2, "norms": 1}
    assert open_session(embedder_onnx, outputs).providers == ["CPUExecutionProvider"]
    assert open_session(embedder_onnx, outputs, device="auto").providers
    with pytest.raises(ValueError, match="device"):
        open_session(embedder_onnx, outputs, device="tpu")  # type: ignore[arg-type]
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        with pytest.raises(FaceFlowError, match="no CUDA"):
            open_session(embedder_onnx, outputs, device="cuda")


def test_an_unexpected_rank_is_an_error(embedder_onnx: bytes) -> None:
    session = open_session(embedder_onnx, {"embeddings": 3, "norms": 1})
    with pytest.raises(WeightsError, match="expected 3 dimensions"):
        session.run(faces(1))
