"""What a share holds is computed once, and not kept without bound."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from booth import Booth
from fastapi.testclient import TestClient
from visits import Headers, make

from api.domain.share_models import Share
from api.services import Services
from api.sharing import contents


def test_many_thumbnails_at_once_compute_once(
    client: TestClient,
    booth: Booth,
    alice: Headers,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make(client, booth, alice, live=True, sendMail=False)
    share = services.shares.get(Share.key_of(booth.album.id, made["id"]))
    calls = []
    choose = contents.choose

    def slow(*args: object) -> tuple[str, ...]:
        calls.append(1)
        time.sleep(0.2)
        return choose(*args)

    monkeypatch.setattr(contents, "_cache", contents._Cache())
    monkeypatch.setattr(contents, "choose", slow)
    album = booth.current()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: contents.contents_of(services, album, share), range(8)))
    assert len(calls) == 1
    assert all(one.photo_ids == tuple(booth.with_person(0)) for one in found)


def test_the_cache_holds_so_many_ids() -> None:
    cache = contents._Cache()
    large = contents.Contents(("x",) * (contents._CACHED_IDS // 2))
    for number in range(4):
        cache.keep((number,), large)
    assert [cache.get((number,)) is not None for number in range(4)] == [False, False, True, True]
    huge = contents.Contents(("x",) * (contents._CACHED_IDS * 2))
    cache.keep(("huge",), huge)
    assert cache.get(("huge",)) is huge, "the last one is always kept"
    assert cache.get((3,)) is None
