"""A few bytes that would become very many are refused before they do."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.home import open_services
from api.main import create_app
from api.repositories.sqlite_table import SqliteTable
from api.settings import Settings
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import unpack_archive
from tests.api.conftest import CardEngine
from tests.api.ingestion.conftest import AlbumClient, photo_bytes


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises so many pixels, with few bytes behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(2**20))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def album(tmp_path: Path) -> Iterator[AlbumClient]:
    """An album of alice, on one machine, while the worker runs."""
    services = open_services(Settings(data=tmp_path, web=tmp_path / "none"), CardEngine())
    with TestClient(create_app(services=services)) as client:
        token = client.post("/auth/dev-token", json={"user": "alice"}).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        made = client.post("/albums", headers=headers, json={"name": "Bombs"})
        yield AlbumClient(client, headers, made.json()["id"])
    assert isinstance(services.table, SqliteTable)
    services.table.close()


def test_a_photo_of_too_many_pixels_fails_and_holds_nothing_up(album: AlbumClient) -> None:
    bomb = png_of(60_000, 60_000)
    assert len(bomb) < 5000
    album.upload("bomb.png", bomb, contentType="image/png")
    album.upload("photo.jpg", photo_bytes(1))
    counts = album.process()["counts"]
    assert (counts["photos"], counts["failed"], counts["faces"]) == (2, 1, 1)
    photo = album.photos()["bomb.png"]
    assert photo["status"] == "failed"
    assert "60000 x 60000 pixels, over the limit" in photo["error"]


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "model.tar.gz"
    with tarfile.open(bomb, "w:gz") as opened:
        small = tarfile.TarInfo("a")
        small.size = 10
        opened.addfile(small, io.BytesIO(bytes(10)))
        large = tarfile.TarInfo("b")
        large.size = 20 * 2**20
        opened.addfile(large, io.BytesIO(bytes(large.size)))
    assert bomb.stat().st_size < 100_000
    with pytest.raises(FaceFlowError, match="larger than 1,048,576 bytes"):
        unpack_archive(bomb, tmp_path / "out", max_bytes=2**20)
    assert not (tmp_path / "out/b").exists()
    unpack_archive(bomb, tmp_path / "whole")
    assert (tmp_path / "whole/b").stat().st_size == large.size
