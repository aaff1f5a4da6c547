"""The hashes of an album, which several processes may read and extend."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.domain import hash_index
from api.domain.hash_index import HashIndex
from api.domain.ingest_rows import HashBlock
from api.domain.memory import Memory
from api.repositories.table import Put
from api.services import Services

ALBUM = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_index, "_BLOCK", 3)


def _hashes(*numbers: int) -> dict[str, str]:
    return {f"photo-{number}": f"{1 << number:016x}" for number in numbers}


def _all(services: Services) -> list[str]:
    return sorted(HashIndex(services, ALBUM).near(f"{0:016x}", 1))


def test_each_process_sees_what_the_others_have_added(services: Services) -> None:
    other = replace(services, memory=Memory())
    HashIndex(services, ALBUM).add(_hashes(0, 1))
    assert _all(other) == ["photo-0", "photo-1"]
    HashIndex(other, ALBUM).add(_hashes(1, 2, 3, 4, 5, 6, 7))
    expected = [f"photo-{number}" for number in range(8)]
    assert _all(services) == _all(other) == expected
    HashIndex(services, ALBUM).add(_hashes(8))
    assert _all(other) == _all(replace(services, memory=Memory())) == [*expected, "photo-8"]


def test_near_is_within_the_radius(services: Services) -> None:
    index = HashIndex(services, ALBUM)
    assert index.near("0" * 16, 64) == []
    index.add({"none": "0" * 16, "one": f"{1:016x}", "all": "f" * 16})
    assert index.near("0" * 16, 0) == ["none"]
    assert index.near("0" * 16, 1) == ["none", "one"]
    assert index.near("f" * 16, 0) == ["all"]


def test_what_another_wrote_over_is_read_anew(services: Services) -> None:
    HashIndex(services, ALBUM).add(_hashes(0, 1))
    block = HashBlock(
        album_id=ALBUM, number=0, photo_ids=("photo-2",), hashes=(_hashes(2)["photo-2"],)
    )
    services.table.write(Put(block.key(), block.to_item()))
    assert _all(services) == ["photo-2"]
