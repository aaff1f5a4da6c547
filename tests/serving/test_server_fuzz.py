"""Bodies that nobody meant to send: the server refuses them and goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.conftest import crops, encode, npy
from tests.serving.server import Server

NPY = "application/x-npy"
fuzz = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
documents = anything | st.fixed_dictionaries({"instances": anything})


def check(server: Server, body: bytes, content_type: str) -> None:
    response = server.post(body, content_type)
    assert response.status_code in (200, 400), response.text
    if response.status_code == 400:
        assert response.json()["detail"]


@pytest.mark.parametrize(
    "content_type",
    ["image/jpeg", "image/webp", NPY, "application/json", "application/jsonlines"],
)
@fuzz
@given(body=st.binary(max_size=300))
def test_any_bytes(embedding: Server, content_type: str, body: bytes) -> None:
    check(embedding, body, content_type)


@fuzz
@given(document=documents)
def test_any_json(embedding: Server, document: object) -> None:
    check(embedding, json.dumps(document).encode(), "application/json")


@fuzz
@given(
    header=st.fixed_dictionaries(
        {"descr": st.text(max_size=8) | st.sampled_from(["|u1", "|O", "<f8", [("a", "|u1")]])},
        optional={
            "fortran_order": st.booleans() | st.integers(),
            "shape": st.lists(st.integers(-3, 2**70), max_size=5).map(tuple) | anything,
        },
    ),
    rest=st.binary(max_size=40),
)
def test_any_npy_header(embedding: Server, header: object, rest: bytes) -> None:
    text = (repr(header) + "\n").encode("utf-8", "replace")
    body = b"\x93NUMPY\x01\x00" + min(len(text), 65535).to_bytes(2, "little") + text + rest
    check(embedding, body, NPY)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "npy"])
@fuzz
@given(data=st.data())
def test_damaged_images(embedding: Server, kind: str, data: st.DataObject) -> None:
    good = npy(crops(1)) if kind == "npy" else encode(crops(1)[0], kind)
    body = np.frombuffer(good, np.uint8).copy()
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(1, len(body)))]
    check(embedding, body.tobytes(), NPY if kind == "npy" else f"image/{kind.lower()}")


@pytest.fixture(scope="module", autouse=True)
def _still_there(embedding: Server) -> object:
    yield
    assert embedding.post(npy(crops(1)), NPY).status_code == 200
    assert not [event for event in embedding.events() if event["level"] == "error"]
