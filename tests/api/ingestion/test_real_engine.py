"""Ingestion with the shipped models gives what ``faceflow-ml group`` gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.engine.onnx import OnnxFaceEngine
from api.home import open_services
from api.main import create_app
from api.repositories.sqlite_table import SqliteTable
from api.settings import Settings
from faceflow_ml.album.group import group_album
from faceflow_ml.album.schema import Groups
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.inference.images import IMAGE_SUFFIXES
from faceflow_ml.inference.pipeline import FacePipeline

from .conftest import AlbumClient

SPEC = AlbumSpec(
    people=3, photos=10, seed=5, faces_per_photo=(1, 2), duplicates=1, near_duplicates=2, broken=2,
    width=480,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of fictional people, with copies and broken files."""
    folder = tmp_path_factory.mktemp("photos")
    write_album(folder, SPEC, lambda *_: None, force=True)
    return folder


@pytest.fixture(scope="module")
def groups(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Groups:
    """What the command finds in them."""
    engine = FacePipeline.from_pretrained(threads=1)
    return group_album(folder, tmp_path_factory.mktemp("out"), engine).groups


@pytest.fixture
def processed(settings: Settings, folder: Path) -> Iterator[AlbumClient]:
    """An album with those photos, processed."""
    services = open_services(settings, OnnxFaceEngine())
    with TestClient(create_app(services=services)) as client:
        token = client.post("/auth/dev-token", json={"user": "alice"}).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.post("/albums", headers=headers, json={"name": "Synth"})
        album = AlbumClient(client, headers, answer.json()["id"])
        photos = [path for path in folder.rglob("*") if path.suffix in IMAGE_SUFFIXES]
        # An empty file is refused before it is sent.
        for path in sorted(path for path in photos if path.stat().st_size):
            album.upload(path.relative_to(folder).as_posix().replace("/", "_"), path.read_bytes())
        album.process(180)
        yield album
    assert isinstance(services.table, SqliteTable)
    services.table.close()


def test_same_faces_people_duplicates_and_failures(processed: AlbumClient, groups: Groups) -> None:
    photos = processed.photos()
    readable = [photo for photo in groups.photos if photo.error != "the file is empty"]
    assert set(photos) == {photo.path.replace("/", "_") for photo in readable}
    people: dict[str | None, set[tuple[str, float]]] = {}
    wanted: dict[str | None, set[tuple[str, float]]] = {}
    for photo in readable:
        shown = photos[photo.path.replace("/", "_")]
        assert (shown["status"] == "failed") == (photo.error is not None)
        assert len(shown["faces"]) == len(photo.faces)
        for mine, theirs in zip(shown["faces"], photo.faces, strict=True):
            assert mine["box"] == pytest.approx(theirs.box, abs=0.5)
            people.setdefault(mine["cluster"], set()).add((photo.path, theirs.box[0]))
            wanted.setdefault(theirs.person, set()).add((photo.path, theirs.box[0]))
    assert sorted(map(sorted, people.values())) == sorted(map(sorted, wanted.values()))
    dropped = {name for name, photo in photos.items() if photo["duplicateOf"]}
    assert len(dropped) >= 3
    assert dropped == {path.replace("/", "_") for group in groups.duplicates for path in group.drop}
    failed = {name for name, photo in photos.items() if photo["status"] == "failed"}
    assert failed == {photo.path for photo in readable if photo.error}
    assert failed
