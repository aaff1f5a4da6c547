"""One contract for the face engines: ONNX Runtime in this process, and the containers behind
SageMaker's protocol."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
import cv2
import numpy as np
import pytest
from botocore.config import Config
from numpy.typing import NDArray

from api.engine.circuit import CircuitBreaker, RetryPolicy, Unavailable
from api.engine.engine import FaceEngine
from api.engine.onnx import OnnxFaceEngine
from api.engine.sagemaker import (
    BATCH,
    MAX_BYTES,
    ContractChanged,
    EndpointRefused,
    SageMakerFaceEngine,
    encode_photo,
)
from faceflow_ml.clustering.batch import THRESHOLD
from faceflow_ml.clustering.confidence import ConfidenceModel
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.inference.images import load_image
from tests.api.contract.endpoints import Runtime
from tests.serving.server import Server, serving

SPEC = AlbumSpec(people=2, photos=3, seed=5, faces_per_photo=(1, 2), broken=0, width=480)
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    """Photos of fictional people."""
    folder = tmp_path_factory.mktemp("photos")
    write_album(folder, SPEC, lambda *_: None, force=True)
    return [load_image(path) for path in sorted(folder.rglob("*.jpg"))][:3]


@pytest.fixture(scope="module")
def containers() -> Iterator[dict[str, Server]]:
    """The containers, as processes."""
    with serving("detection") as detection, serving("embedding") as embedding:
        yield {"detection": detection, "embedding": embedding}


@pytest.fixture
def runtime(containers: dict[str, Server]) -> Iterator[Runtime]:
    """SageMaker in front of them."""
    made = Runtime({name: f"http://127.0.0.1:{one.port}" for name, one in containers.items()})
    yield made
    made.stop()


def client(url: str) -> Any:
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}, connect_timeout=60, read_timeout=300),
    )


def engine(url: str, **options: Any) -> SageMakerFaceEngine:
    options = {"sleep": lambda _: None} | options
    return SageMakerFaceEngine(client(url), detection="detection", embedding="embedding", **options)


@pytest.fixture(scope="module")
def local() -> OnnxFaceEngine:
    """The engine of one machine."""
    return OnnxFaceEngine()


@pytest.fixture(params=["local", "aws"])
def either(request: pytest.FixtureRequest) -> FaceEngine:
    """Each engine in turn."""
    if request.param == "local":
        home: FaceEngine = request.getfixturevalue("local")
        return home
    return engine(request.getfixturevalue("runtime").url)


def test_faces_and_vectors_are_those_of_the_library(
    either: FaceEngine, local: OnnxFaceEngine, photos: list[Pixels]
) -> None:
    assert either.contract_id == local.contract_id
    assert either.threshold == local.threshold
    assert (either.confidence is None) == (local.confidence is None)
    for photo in photos:
        found, wanted = either.detect(photo), local.detect(photo)
        assert len(found.boxes) == len(wanted.boxes) >= 1
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-2)
        np.testing.assert_allclose(found.landmarks, wanted.landmarks, atol=1e-2)
        np.testing.assert_allclose(found.quality, wanted.quality, atol=1e-2)
        assert found.crops.shape == (len(found.boxes), 112, 112, 3)
        vectors, factors = either.embed(wanted.crops)
        np.testing.assert_allclose(vectors, local.embed(wanted.crops)[0], atol=1e-4)
        # Blurred, so that what the embedder thinks of them differs.
        for crops in (wanted.crops, np.stack([cv2.blur(crop, (9, 9)) for crop in wanted.crops])):
            factors = either.embed(crops)[1]
            np.testing.assert_allclose(factors, local.embed(crops)[1], atol=1e-4)
            assert factors.shape == (len(crops),) and (factors < 1).any()


def test_a_photo_without_faces_and_no_faces_at_all(either: FaceEngine) -> None:
    found = either.detect(np.full((240, 320, 3), 128, np.uint8))
    assert found.boxes.shape == (0, 4) and found.crops.shape == (0, 112, 112, 3)
    vectors, factors = either.embed(found.crops)
    assert vectors.shape == (0, 512) and factors.shape == (0,)


def test_many_faces_go_in_batches_and_come_back_in_order(
    runtime: Runtime, local: OnnxFaceEngine, photos: list[Pixels]
) -> None:
    crops = np.concatenate([local.detect(photo).crops for photo in photos])
    many = np.concatenate([crops] * (BATCH // len(crops) + 1))
    vectors, _ = engine(runtime.url).embed(many)
    assert runtime.asked["embedding"] == 2
    np.testing.assert_allclose(vectors[: len(crops)], vectors[-len(crops) :], atol=1e-4)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "ServiceUnavailable"),
        (429, "ThrottlingException"),
        (400, "ThrottlingException"),
        (500, "InternalFailure"),
        (530, "InternalDependencyException"),
        (429, "ModelNotReadyException"),
        (424, "ModelError"),
    ],
)
def test_trouble_that_passes_is_waited_out(
    runtime: Runtime, photos: list[Pixels], status: int, code: str
) -> None:
    runtime.trouble.extend([(status, code)] * 3)
    pauses: list[float] = []
    asked = engine(runtime.url, sleep=pauses.append, policy=RetryPolicy(5, 1.0, 2.0))
    assert len(asked.detect(photos[0]).boxes) >= 1
    assert runtime.asked["detection"] == 4
    bounds = [1.0, 2.0, 2.0]
    assert all(0 <= pause <= most for pause, most in zip(pauses, bounds, strict=True))


def test_trouble_that_stays_opens_the_circuit_until_it_is_over(
    runtime: Runtime, photos: list[Pixels]
) -> None:
    now = [1000.0]
    breakers = {
        name: CircuitBreaker(failures=4, rest=30, clock=lambda: now[0])
        for name in ("detection", "embedding")
    }
    asked = engine(runtime.url, policy=RetryPolicy(3), breakers=breakers)
    runtime.trouble.extend([(503, "ServiceUnavailable")] * 5)
    for _ in range(2):
        with pytest.raises(Unavailable):
            asked.detect(photos[0])
    assert runtime.asked["detection"] == 4, "the fourth failure opened it"
    with pytest.raises(Unavailable, match="30 s"):
        asked.detect(photos[0])
    assert runtime.asked["detection"] == 4
    assert asked.contract_id, "the other endpoint is asked as before"
    runtime.trouble.clear()
    now[0] += 31
    assert len(asked.detect(photos[0]).boxes) >= 1
    assert len(asked.detect(photos[0]).boxes) >= 1


def test_only_one_looks_whether_it_is_over() -> None:
    now = [0.0]
    breaker = CircuitBreaker(failures=1, rest=10, clock=lambda: now[0])
    breaker.failed()
    now[0] = 11
    breaker.check()
    with pytest.raises(Unavailable):
        breaker.check()
    breaker.succeeded()
    breaker.check()


def test_what_the_model_refuses_is_not_sent_again(runtime: Runtime) -> None:
    with pytest.raises(EndpointRefused, match="400 ModelError: .*aligned faces"):
        engine(runtime.url).embed(np.zeros((1, 50, 50, 3), np.uint8))
    assert runtime.asked["embedding"] == 1


def test_an_endpoint_that_is_not_there(runtime: Runtime, photos: list[Pixels]) -> None:
    other = SageMakerFaceEngine(client(runtime.url), detection="none", embedding="embedding")
    with pytest.raises(EndpointRefused, match="not found"):
        other.detect(photos[0])


def test_nobody_answers(photos: list[Pixels]) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match="cannot be reached"):
        engine("http://127.0.0.1:9", policy=RetryPolicy(2)).detect(photos[0])
    assert time.monotonic() - started < 60


def test_another_model_is_noticed(runtime: Runtime, local: OnnxFaceEngine, tmp_path: Path) -> None:
    asked = engine(runtime.url)
    first = asked.contract_id
    asked._contract = "another"
    with pytest.raises(ContractChanged, match=first):
        asked.embed(np.zeros((1, 112, 112, 3), np.uint8))
    assert asked.contract_id == local.contract_id
    asked.embed(np.zeros((1, 112, 112, 3), np.uint8))


@pytest.mark.parametrize(
    ("attributes", "threshold", "confident"),
    [
        ("contract_id=0123456789abcdef;match_threshold=0.31;norm_low=-1e-05", 0.31, False),
        (
            "contract_id=1234567890123456;match_threshold=0.31;"
            + ";".join(f"{field.name}=1.5" for field in fields(ConfidenceModel)),
            0.31,
            True,
        ),
        ("contract_id=0123456789abcdef", THRESHOLD, False),  # as earlier containers answer
        ("contract_id=SHIPPED", None, True),
    ],
)
def test_a_new_models_thresholds_come_with_its_answers(
    local: OnnxFaceEngine, attributes: str, threshold: float | None, confident: bool
) -> None:
    class Client:
        def invoke_endpoint(self, **_: object) -> dict[str, Any]:
            body = json.dumps({"embeddings": [[0.0] * 512], "norms": [1.0]}).encode()
            said = attributes.replace("SHIPPED", local.contract_id)
            return {"Body": io.BytesIO(body), "CustomAttributes": said}

    asked = SageMakerFaceEngine(Client(), detection="detection", embedding="embedding")
    assert asked.threshold == (local.threshold if threshold is None else threshold)
    assert (asked.confidence is not None) == confident


def test_photos_of_any_size_fit_into_a_request(photos: list[Pixels]) -> None:
    assert encode_photo(photos[0])[1] == "application/x-npy"
    flat = np.full((2000, 3000, 3), 200, np.uint8)
    assert encode_photo(flat)[1] == "image/png"
    coarse = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    large = coarse.repeat(8, axis=0).repeat(8, axis=1)
    large += np.random.default_rng(1).integers(0, 9, large.shape, dtype=np.uint8)
    body, kind = encode_photo(large)
    assert kind == "image/jpeg" and len(body) <= MAX_BYTES
    noise = np.random.default_rng(2).integers(0, 255, (4000, 6000, 3), dtype=np.uint8)
    with pytest.raises(EndpointRefused, match="6000 x 4000"):
        encode_photo(noise)
