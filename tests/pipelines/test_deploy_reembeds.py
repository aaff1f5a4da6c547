"""Another embedder for real: its deployment runs the application's own job over the albums."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from api.domain.ledger import people_of
from api.domain.models import Album
from api.home import open_services
from api.main import create_app
from api.settings import Settings
from faceflow_ml import FaceEmbedder
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.inference.pretrained import MANIFEST_NAME, Manifest, read_manifest
from pipelines.archives import pack, unpack_model
from pipelines.deployment.weights import merge_weights
from tests.api.conftest import CardEngine
from tests.api.ingestion.conftest import AlbumClient
from tests.inference.conftest import build_embedder
from tests.pipelines.deploying import Place
from tests.pipelines.test_evaluate_step import archive

PATIENCE = 600.0  # seconds, on a busy machine


def album_with_names(settings: Settings, photos: Path) -> str:
    """An album of three fictional people, made with the shipped models; returns its id."""
    write_album(photos, AlbumSpec(people=3, photos=6, seed=3, width=480))
    with TestClient(create_app(settings)) as http:
        token = http.post("/auth/dev-token", json={"user": "alice"}).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        made = http.post("/albums", headers=headers, json={"name": "Summer"})
        album = AlbumClient(http, headers, made.json()["id"])
        for file in sorted(photos.glob("*.jpg")):
            album.upload(file.name, file.read_bytes())
        assert album.process(PATIENCE)["state"] == "done"
        for number, cluster in enumerate(album.get("/clusters")["clusters"]):
            album.post(f"/clusters/{cluster['id']}/label", {"name": f"Name {number}"})
        return album.id


def look(settings: Settings, album_id: str) -> tuple[set[str], dict[str, set[str]]]:
    """The contracts of an album's vectors, and whose faces are whose, by id and name."""
    services = open_services(settings, CardEngine())
    try:
        album = services.albums.get(Album.key_of("alice", album_id))
        assert album is not None and album.contract_id is not None
        people = people_of(services, album)
        persons: dict[str, set[str]] = {}
        contracts = {album.contract_id, str(people.contract)}
        for face in services.faces.all(f"ALBUM#{album_id}"):
            contracts.add(face.contract_id)
            number = people.table.number.get(face.id)
            person = None if number is None else people.person_of(number)
            name = "nobody" if person is None else f"{person.id} {person.label}"
            persons.setdefault(name, set()).add(face.id)
        return contracts, persons
    finally:
        services.table.close()


def test_albums_follow_the_embedder_there_and_back(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    settings = Settings(data=tmp_path / "data", web=tmp_path / "no-web")
    album = album_with_names(settings, tmp_path / "photos")
    shipped = FaceEmbedder.from_pretrained().contract_id
    before = look(settings, album)
    assert before[0] == {shipped} and len(before[1]) >= 3

    def words(*command: Any) -> str:
        return json.dumps([sys.executable, "-m", *map(str, command)])

    place = make_place(
        f"deploy.servers.embedder.command={words('serving', 'embedding')}",
        f"deploy.after_contract_change={words('api', 'reembed', '--data', settings.data)}",
    )
    weights = merge_weights({}, tmp_path / "weights")
    entry = read_manifest(weights).models["embedder"]
    alone = Manifest(version=1, models={"embedder": entry}, default={"embedder": next(iter(entry))})
    (weights / MANIFEST_NAME).write_text(alone.model_dump_json())
    files = [MANIFEST_NAME, *(model.file for model in entry.values())]
    pack(weights, tmp_path / "shipped.tar.gz", files)
    place.register_archive(shipped, tmp_path / "shipped.tar.gz")
    first = place.deployer.deploy("embedder", approve=True)
    assert not first.contract_changed
    assert look(settings, album) == before

    folder = archive(tmp_path / "other", "embedder", build_embedder())
    unpacked = unpack_model(folder, tmp_path / "unpacked")
    assert unpacked is not None
    other = FaceEmbedder.from_pretrained(unpacked).contract_id
    place.register_archive(other, folder / "model.tar.gz")
    second = place.deployer.deploy("embedder", approve=True)
    assert second.contract_changed
    contracts, persons = look(settings, album)
    assert contracts == {other}
    assert persons == before[1]  # everybody keeps name and faces

    place.deployer.rollback("embedder")
    assert look(settings, album) == before
