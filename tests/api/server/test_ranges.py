"""Parts of things by ``Range``."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from api.routers.ranges import RangeNotSatisfiable, byte_range
from api.services import Services

MANY = "9" * 5000
"""More digits than Python reads as a number."""


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=2-4", (2, 5)),
        ("bytes=0-999999999999999999", (0, 10)),
        (f"bytes=0-{MANY}", (0, 10)),
        (f"bytes={MANY}-", (0, 10)),
        (f"bytes=-{MANY}", (0, 10)),
        ("bytes=\u0661-\u0662", (0, 10)),
        ("bytes=-", (0, 10)),
        ("bytes=4-2", (0, 10)),
    ],
)
def test_what_is_no_range_is_the_whole(asked: str, expected: tuple[int, int]) -> None:
    assert byte_range({"range": asked}, '"e"', 10) == expected


def test_a_range_past_the_end_cannot_be_had() -> None:
    with pytest.raises(RangeNotSatisfiable):
        byte_range({"range": "bytes=10-"}, '"e"', 10)


def test_objects_come_whole_if_the_range_has_too_many_digits(
    client: TestClient, services: Services
) -> None:
    key = "tenant/u/a/thumb/p.jpg"
    services.objects.put(key, b"0123456789", "image/jpeg")
    url = services.signer.sign_get(key, seconds=60).url
    answer = client.get(url, headers={"Range": f"bytes=0-{MANY}"})
    assert (answer.status_code, answer.content) == (200, b"0123456789")
