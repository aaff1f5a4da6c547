from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.objects.store import NewObject, ObjectMissing, ObjectStore, Part

KEY = "tenant/alice/01/2024/05/06/photo.jpg"
PART = 5 * 2**20


def test_what_is_put_is_there_with_its_type(store: ObjectStore) -> None:
    info = store.put(KEY, b"bytes", "image/jpeg")
    assert (info.key, info.size, info.content_type) == (KEY, 5, "image/jpeg")
    assert store.head(KEY) == info
    assert store.get(KEY) == b"bytes"


@pytest.mark.parametrize("content_type", ["image/heic", "image/jpeg", "text/plain; charset=utf-8"])
def test_the_type_is_kept_whatever_the_name(store: ObjectStore, content_type: str) -> None:
    store.put(KEY, b"1", "image/png")
    store.put(KEY, b"2", content_type)
    info = store.head(KEY)
    assert info is not None and info.content_type == content_type


def test_a_put_replaces_and_changes_the_etag(store: ObjectStore) -> None:
    first = store.put(KEY, b"one", "image/jpeg")
    second = store.put(KEY, io.BytesIO(b"two"), "image/jpeg")
    assert store.get(KEY) == b"two"
    assert first.etag != second.etag


def test_files_and_many_at_once(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 700_000)
    assert store.put_file(KEY, tmp_path / "f", "image/jpeg").size == 700_000
    infos = store.put_many([NewObject(f"a/{n}.jpg", b"%d" % n, "image/jpeg") for n in range(20)])
    assert [info.key for info in infos] == [f"a/{n}.jpg" for n in range(20)]
    assert store.get("a/7.jpg") == b"7"
    assert store.put_many([]) == []


def test_what_is_not_there(store: ObjectStore) -> None:
    assert store.head(KEY) is None
    with pytest.raises(ObjectMissing):
        store.get(KEY)
    with pytest.raises(ObjectMissing):
        store.stream(KEY)
    store.delete([KEY])
    store.put(KEY, b"", "image/jpeg")
    assert store.head("tenant/alice/01") is None
    with pytest.raises(ObjectMissing):
        store.get("tenant/alice")


def test_streams_begin_and_end_where_they_are_told(store: ObjectStore) -> None:
    data = bytes(range(256)) * 4000
    store.put(KEY, data, "image/jpeg")
    chunks = list(store.stream(KEY))
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) < len(data)
    assert b"".join(store.stream(KEY, 1000, 5000)) == data[1000:6000]
    assert b"".join(store.stream(KEY, len(data) - 5, 100)) == data[-5:]
    assert b"".join(store.stream(KEY, len(data) + 5)) == b""
    assert b"".join(store.stream(KEY, 5, 0)) == b""


def test_pieces_are_those_that_were_asked_for(store: ObjectStore) -> None:
    data = bytes(range(256)) * 10
    store.put(KEY, data, "image/jpeg")
    ranges = [(1000, 5), (0, 3), (len(data) - 2, 10), (len(data) + 5, 4)]
    assert store.pieces(KEY, ranges) == [data[1000:1005], data[:3], data[-2:], b""]
    assert store.pieces(KEY, []) == []
    with pytest.raises(ValueError, match="start"):
        store.pieces(KEY, [(-1, 5)])
    with pytest.raises(ObjectMissing):
        store.pieces("tenant/alice/none.jpg", [(0, 1)])


def test_listing_is_in_the_order_of_keys(store: ObjectStore) -> None:
    keys = ["a.jpg", "a/b.jpg", "a/c/d.jpg", "a0/x.jpg", "ab.jpg", "b/x.jpg"]
    for key in reversed(keys):
        store.put(key, key.encode(), "image/jpeg")
    assert [info.key for info in store.list_objects("")] == sorted(keys)
    assert [info.key for info in store.list_objects("a/")] == ["a/b.jpg", "a/c/d.jpg"]
    assert [info.key for info in store.list_objects("a")] == sorted(keys)[:-1]
    assert [info.key for info in store.list_objects("a/c/d")] == ["a/c/d.jpg"]
    assert list(store.list_objects("none/")) == []
    assert next(store.list_objects("b/")).size == 7


def test_deleting_a_prefix_takes_all_of_it_and_nothing_else(store: ObjectStore) -> None:
    for key in ["tenant/alice/1.jpg", "tenant/alice/2/3.heic", "tenant/alicia/1.jpg"]:
        store.put(key, b"x", "image/heic")
    upload = store.start_multipart("tenant/alice/4.jpg", "image/jpeg")
    other = store.start_multipart("tenant/alicia/4.jpg", "image/jpeg")
    assert store.delete_prefix("tenant/alice/") == 2
    assert [info.key for info in store.list_objects("")] == ["tenant/alicia/1.jpg"]
    with pytest.raises(ObjectMissing):
        store.list_parts("tenant/alice/4.jpg", upload)
    assert store.list_parts("tenant/alicia/4.jpg", other) == []
    assert store.delete_prefix("tenant/alice/") == 0
    with pytest.raises(ValueError, match="everything"):
        store.delete_prefix("")


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", "a\\b", "a\x00", "ä", "x" * 2000, ".a"],
)
def test_no_key_leads_outside(store: ObjectStore, key: str) -> None:
    for call in (
        lambda: store.put(key, b"", "image/jpeg"),
        lambda: store.get(key),
        lambda: store.head(key),
        lambda: store.delete([key]),
        lambda: store.start_multipart(key, "image/jpeg"),
    ):
        with pytest.raises(ValueError, match="key"):
            call()
    assert list(store.list_objects("../")) == []


def test_a_multipart_upload_becomes_an_object_when_it_is_complete(store: ObjectStore) -> None:
    upload = store.start_multipart(KEY, "image/heic")
    second = store.put_part(KEY, upload, 2, b"end")
    store.put_part(KEY, upload, 1, b"wrong")
    first = store.put_part(KEY, upload, 1, io.BytesIO(b"a" * PART))
    assert store.list_parts(KEY, upload) == [first, second]
    assert store.head(KEY) is None
    info = store.complete_multipart(KEY, upload, [first, second])
    assert (info.size, info.content_type) == (PART + 3, "image/heic")
    assert store.get(KEY) == b"a" * PART + b"end"
    with pytest.raises(ObjectMissing):
        store.complete_multipart(KEY, upload, [first, second])


def test_a_multipart_upload_takes_only_the_parts_that_are_there(store: ObjectStore) -> None:
    upload = store.start_multipart(KEY, "image/jpeg")
    part = store.put_part(KEY, upload, 1, b"x")
    with pytest.raises(ObjectMissing):
        store.complete_multipart(KEY, upload, [part, Part(2, 1, "none")])
    with pytest.raises(ObjectMissing):
        store.complete_multipart(KEY, upload, [Part(1, 1, "other")])
    with pytest.raises(ValueError, match="order"):
        store.complete_multipart(KEY, upload, [])
    with pytest.raises(ObjectMissing):
        store.put_part("tenant/other.jpg", upload, 1, b"x")
    with pytest.raises(ObjectMissing):
        store.put_part(KEY, "../../objects", 1, b"x")
    store.abort_multipart(KEY, upload)
    store.abort_multipart(KEY, upload)
    with pytest.raises(ObjectMissing):
        store.put_part(KEY, upload, 1, b"x")
    assert list(store.list_objects("")) == []


def test_readers_see_one_whole_object_or_another(store: ObjectStore) -> None:
    contents = {bytes([n]) * 300_000 for n in range(10)}
    store.put(KEY, bytes([0]) * 300_000, "image/jpeg")
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(store.put, KEY, data, "image/jpeg") for data in sorted(contents)]
        reads = [pool.submit(store.get, KEY) for _ in range(40)]
        assert {read.result() for read in reads} <= contents
        for write in writes:
            write.result()


def test_a_folder_may_vanish_while_another_object_comes_into_it(store: ObjectStore) -> None:
    def churn(number: int) -> None:
        key = f"tenant/a/{number % 2}.jpg"
        store.put(key, b"x", "image/jpeg")
        store.delete([key])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(churn, range(60)))
    assert list(store.list_objects("")) == []


def test_a_write_that_fails_leaves_the_object_as_it_was(store: ObjectStore) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the network is gone")

    store.put(KEY, b"old", "image/jpeg")
    with pytest.raises(OSError, match="network"):
        store.put(KEY, Broken(b"new"), "image/jpeg")
    with pytest.raises(ValueError, match="type"):
        store.put(KEY, b"new", "no type\r\nX-Evil: 1")
    assert store.get(KEY) == b"old"
