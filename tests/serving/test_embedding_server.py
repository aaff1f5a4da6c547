"""The embedding container's contract, over HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from faceflow_ml import FaceEmbedder, load_image
from tests.serving.conftest import crops, encode, npy
from tests.serving.server import Server

JSON, NPY, LINES = "application/json", "application/x-npy", "application/jsonlines"
LIMIT = 6 * 2**20
TRAP = Path(tempfile.gettempdir()) / f"faceflow-trap-{os.getpid()}"


def instances(*images: bytes) -> str:
    return json.dumps({"instances": [base64.b64encode(image).decode() for image in images]})


def vectors(answer: object) -> np.ndarray:
    return np.array(answer["embeddings"], np.float32)  # type: ignore[index]


@pytest.mark.parametrize(
    ("content_type", "kind"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/webp", "WEBP")]
)
def test_an_image_gives_the_librarys_vector(
    embedding: Server, embedder: FaceEmbedder, content_type: str, kind: str
) -> None:
    data = encode(crops(1)[0], kind)
    response = embedding.post(data, content_type)
    assert response.status_code == 200
    assert response.headers["content-type"] == JSON
    assert response.json()["contract_id"] == embedder.contract_id
    assert set(response.json()) == {"embeddings", "norms", "contract_id"}
    expected, norms = embedder.embed_with_norms(load_image(data)[None])
    np.testing.assert_allclose(vectors(response.json()), expected, atol=1e-5)
    np.testing.assert_allclose(response.json()["norms"], norms, rtol=1e-4)


@pytest.mark.parametrize("accept", [NPY, JSON, "*/*", f"{JSON};q=0.2, {NPY}", ""])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_arrays_in_and_what_is_accepted_out(
    embedding: Server, embedder: FaceEmbedder, accept: str, count: int
) -> None:
    batch = crops(count, seed=count)
    response = embedding.post(npy(batch), NPY, Accept=accept)
    assert response.status_code == 200
    if NPY in accept:
        assert response.headers["content-type"] == NPY
        assert response.headers["x-faceflow-contract-id"] == embedder.contract_id
        found = np.load(io.BytesIO(response.content), allow_pickle=False)
        assert found.dtype == np.float32
    else:
        found = vectors(response.json()).reshape(-1, 512)
    assert found.shape == (count, 512)
    np.testing.assert_allclose(found, embedder.embed(batch), atol=1e-5)


def test_instances_keep_their_order(embedding: Server, embedder: FaceEmbedder) -> None:
    batch = crops(5, seed=3)
    response = embedding.post(instances(*(encode(crop, "PNG") for crop in batch)), JSON)
    np.testing.assert_allclose(vectors(response.json()), embedder.embed(batch), atol=1e-5)
    assert embedding.post(instances(), JSON).json()["embeddings"] == []


def test_json_lines_answer_line_by_line(embedding: Server, embedder: FaceEmbedder) -> None:
    batch = crops(3, seed=4)
    first, second, third = (encode(crop, "PNG") for crop in batch)
    body = f"{instances(first, second)}\n{instances()}\n\n{instances(third)}"
    response = embedding.post(body, LINES, Accept=LINES)
    assert response.headers["content-type"] == LINES
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [len(line["embeddings"]) for line in lines] == [2, 0, 1]
    found = np.concatenate([vectors(line).reshape(-1, 512) for line in lines])
    np.testing.assert_allclose(found, embedder.embed(batch), atol=1e-5)


def test_fortran_order_is_read_as_it_is_meant(embedding: Server, embedder: FaceEmbedder) -> None:
    batch = crops(2, seed=5)
    response = embedding.post(npy(np.asfortranarray(batch)), NPY)
    np.testing.assert_allclose(vectors(response.json()), embedder.embed(batch), atol=1e-5)


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


def plain_header(shape: str) -> bytes:
    return header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n")


class Trap:
    """Unpickling it would leave a file behind."""

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(TRAP), "w"))


BAD_INPUT = {
    "empty": (b"", "image/jpeg", "empty"),
    "no image": (b"hello", "image/png", "not an image"),
    "cut short": (encode(crops(1)[0], "PNG")[:200], "image/png", "damaged"),
    "a photo": (encode(np.zeros((480, 640, 3), np.uint8), "PNG"), "image/png", "640 x 480"),
    "no npy": (b"hello", NPY, "NumPy"),
    "npy cut short": (npy(crops(2))[:-1], NPY, "bytes"),
    "npy too long": (npy(crops(2)) + b"x", NPY, "bytes"),
    "npy of floats": (npy(crops(2).astype(np.float32)), NPY, "uint8"),
    "npy of another size": (npy(np.zeros((1, 96, 96, 3), np.uint8)), NPY, "112"),
    "npy of one crop": (npy(crops(1)[0]), NPY, "112"),
    "npy of a number": (npy(np.array(3, np.uint8)), NPY, "shape"),
    "pickled npy": (npy(np.array([Trap()], dtype=object), allow_pickle=True), NPY, "uint8"),
    "pickle": (pickle.dumps(Trap()), NPY, "NumPy"),
    "npy bomb": (plain_header("(1000000000, 112, 112, 3)"), NPY, "bytes"),
    "npy of negative size": (plain_header("(-1, 112, 112, 3)"), NPY, "shape"),
    "npy of overflowing size": (plain_header(f"({2**62}, {2**62}, 112, 3)"), NPY, "bytes"),
    "npy with a long header": (header("{" + " " * 60000 + "}"), NPY, "NumPy"),
    "npy with a nested header": (header("(" * 900), NPY, "NumPy"),
    "npy of version 9": (header("{}", b"\x09\x00"), NPY, "NumPy"),
    "no JSON": (b"{", JSON, "JSON"),
    "JSON not in UTF-8": (b'{"instances": ["\xff"]}', JSON, "JSON"),
    "deep JSON": (b"[" * 200_000, JSON, "JSON"),
    "JSON list": (b"[]", JSON, "instances"),
    "other JSON": (b'{"images": []}', JSON, "instances"),
    "numbers": (b'{"instances": ["", 1]}', JSON, "instances[1]"),
    "no base64": (b'{"instances": ["?"]}', JSON, "base64"),
    "not ASCII": ('{"instances": ["é"]}'.encode(), JSON, "base64"),
    "empty instance": (b'{"instances": [""]}', JSON, "instances[0]"),
    "one bad of two": (instances(encode(crops(1)[0], "PNG"), b"x"), JSON, "instances[1]"),
    "too many": (instances(*[b"x"] * 513), JSON, "513"),
    "bad line": ('{"instances": []}\nx', LINES, "JSON"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_refused_with_a_reason(embedding: Server, name: str) -> None:
    body, content_type, reason = BAD_INPUT[name]
    response = embedding.post(body, content_type)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 400
    assert reason in problem["detail"]
    assert len(problem["detail"]) < 500
    assert problem["requestId"] == response.headers["x-request-id"]
    assert not TRAP.exists()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "image/tiff"}, 415),
        ({}, 415),
        ({"Content-Type": "image/png", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "image/png", "Accept": "text/csv"}, 406),
        ({"Content-Type": "image/png", "Accept": f"{JSON};q=0, {NPY};q=0"}, 406),
    ],
)
def test_other_types_are_refused(embedding: Server, headers: dict[str, str], status: int) -> None:
    body = encode(crops(1)[0], "PNG")
    response = embedding.client.post("/invocations", content=body, headers=headers)
    assert response.status_code == status
    assert response.json()["status"] == status


def test_other_routes_and_methods(embedding: Server) -> None:
    assert embedding.client.get("/invocations").status_code == 405
    assert embedding.client.get("/nothing").status_code == 404
    assert embedding.client.get("/nothing").json()["title"] == "Not Found"


def chunks(size: int) -> Iterator[bytes]:
    for start in range(0, size, 2**16):
        yield bytes(min(2**16, size - start))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 400), (LIMIT + 1, 413), (2 * LIMIT, 413)])
def test_six_megabytes_are_the_limit(
    embedding: Server, size: int, status: int, chunked: bool
) -> None:
    body = chunks(size) if chunked else bytes(size)
    response = embedding.post(body, "image/jpeg")
    assert response.status_code == status
    assert response.json()["status"] == status


@pytest.mark.parametrize(
    "extra", [f"Content-Length: {LIMIT + 1}\r\nExpect: 100-continue", f"Content-Length: {2**40}"]
)
def test_a_body_that_is_announced_as_too_large_is_not_waited_for(
    embedding: Server, extra: str
) -> None:
    with socket.create_connection(("127.0.0.1", embedding.port), timeout=60) as connection:
        head = (
            f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n{extra}\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-Id": "abc-1"}, "abc-1"),
        ({"X-Amzn-SageMaker-Inference-Id": "inference-2"}, "inference-2"),
        ({"X-Request-Id": "abc-3", "X-Amzn-SageMaker-Inference-Id": "inference-3"}, "abc-3"),
        ({"X-Request-Id": "a b\tc"}, None),
        ({}, None),
    ],
)
def test_request_ids_come_back_and_are_logged(
    embedding: Server, embedder: FaceEmbedder, headers: dict[str, str], expected: str | None
) -> None:
    body = encode(crops(1)[0], "PNG")
    response = embedding.post(body, "image/png", **headers)
    identity = response.headers["x-request-id"]
    assert identity == expected if expected else len(identity) == 32
    attributes = response.headers["x-amzn-sagemaker-custom-attributes"]
    told = dict(part.split("=") for part in attributes.split(";"))
    assert told.pop("contract_id") == embedder.contract_id
    assert {key: float(text) for key, text in told.items()} == embedder.calibration
    assert len(attributes) <= 1024  # SageMaker's limit
    logged = embedding.logged(identity)
    assert [event["route"] for event in logged] == ["/invocations"]
    assert logged[0]["status"] == 200
    assert logged[0].get("inference_id") == headers.get("X-Amzn-SageMaker-Inference-Id")
    assert logged[0]["images"] == 1
    assert logged[0]["bytes"] == len(body)


def test_what_the_server_says_of_itself(embedding: Server, embedder: FaceEmbedder) -> None:
    assert embedding.client.get("/ping").json()["contract_id"] == embedder.contract_id
    metadata = embedding.client.get("/metadata").json()
    assert metadata["task"] == "embedding"
    assert metadata["device"] in ("cpu", "cuda")
    assert metadata["contract_id"] == embedder.contract_id
    assert len(metadata["sha256"]) == 64
    parameters = embedding.client.get("/execution-parameters").json()
    assert set(parameters) == {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}
    assert parameters["MaxPayloadInMB"] == 6
    metrics = embedding.client.get("/metrics").text
    assert f'contract_id="{embedder.contract_id}"' in metrics
    assert 'faceflow_serving_requests_total{method="GET",route="/ping",status="200"}' in metrics


def test_many_clients_each_get_their_own_answer(embedding: Server, embedder: FaceEmbedder) -> None:
    batch = crops(96, seed=9)
    before = embedding.metric("faceflow_serving_batch_images_count")
    with ThreadPoolExecutor(24) as pool:
        bodies = [npy(crop[None]) for crop in batch]
        answers = list(pool.map(lambda body: embedding.post(body, NPY).json(), bodies))
    found = np.concatenate([vectors(answer) for answer in answers])
    np.testing.assert_allclose(found, embedder.embed(batch), atol=1e-5)
    # They were put together, or there would have been a batch for each.
    assert embedding.metric("faceflow_serving_batch_images_count") - before < len(batch)
    assert embedding.metric("faceflow_serving_queue_images") == 0


def test_a_refusal_reaches_a_client_that_is_still_sending(embedding: Server) -> None:
    for _ in range(5):
        assert embedding.post(bytes(LIMIT), "image/tiff").status_code == 415
        assert embedding.post(chunks(4 * LIMIT), "image/tiff").status_code == 415
        assert embedding.post(bytes(5 * LIMIT), "image/png").status_code == 413
    assert embedding.post(npy(crops(1)), NPY).status_code == 200
