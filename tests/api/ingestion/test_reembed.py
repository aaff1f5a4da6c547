"""Another embedder: albums get its vectors in the background, and lose nothing."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from api.domain.ledger import people_of
from api.domain.models import Album, Face, Photo
from api.engine.engine import FoundFaces
from api.engine.onnx import OnnxFaceEngine
from api.main import create_app
from api.objects import keys
from api.reembed import reembed_albums
from api.services import Services
from api.settings import Settings
from api.workflow import analysis, pictures, reembedding
from api.workflow.pace import Pace
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from tests.api.groups import groups_of

from .conftest import AlbumClient, photo_bytes

ROOT = Path(__file__).parents[3]


class Other:
    """The services' engine, with vectors of another space."""

    contract_id = "other"

    def __init__(self, services: Services) -> None:
        self._engine = services.engine
        self.threshold, self.confidence = services.engine.threshold, None

    def detect(self, image: NDArray[np.uint8]) -> FoundFaces:
        return self._engine.detect(image)

    def embed(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        vectors, trust = self._engine.embed(crops)
        return vectors[:, ::-1].copy(), trust


def _groups(services: Services, album: AlbumClient) -> dict[str | None, set[str]]:
    found = services.albums.get(Album.key_of("alice", album.id))
    assert found is not None
    return groups_of(services, found)


@pytest.fixture
def grouped(make_album: Callable[..., AlbumClient]) -> AlbumClient:
    """Two people in ten photos whose originals are not kept, one with a name."""
    album = make_album(keepOriginals=False)
    for number in range(10):
        album.upload(f"{number}.jpg", photo_bytes(number, color=100 * (number % 2)))
    assert album.process()["counts"]["clusters"] == 2
    first = album.get("/clusters")["clusters"][0]["id"]
    album.post(f"/clusters/{first}/label", {"name": "Anna"})
    return album


def test_faces_are_embedded_anew_at_a_limited_rate(
    grouped: AlbumClient,
    services: Services,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(reembedding, "_PACE", Pace(lambda: now[0], sleep))
    monkeypatch.setattr(reembedding, "_CHUNK", 2)
    slow = settings.model_copy(update={"reembed_rate": 4.0})
    outcome = reembed_albums(slow, engine=Other(services))
    assert (outcome.done, outcome.failed) == (1, 0)
    # Ten faces by twos, four a second: the last two begin after eight faces' time.
    assert sum(waits) == pytest.approx(2.0)
    assert max(waits) <= 0.25


def test_who_waits_for_their_turn_can_be_stopped() -> None:
    pace = Pace()
    pace.wait(1000, 1.0, lambda: None)  # whoever comes first need not wait

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pace.wait(1, 1.0, stop)


def test_an_album_gets_the_new_vectors_and_stays_as_it_is(
    grouped: AlbumClient, services: Services, settings: Settings
) -> None:
    before = _groups(services, grouped)
    old = {face.id: _vector(services, face) for face in services.faces.all(f"ALBUM#{grouped.id}")}
    said: list[str] = []
    outcome = reembed_albums(settings, engine=Other(services), say=said.append)
    assert (outcome.done, outcome.failed) == (1, 0)
    assert any("100%" in line for line in said)
    album = services.albums.get(Album.key_of("alice", grouped.id))
    assert album is not None
    assert (album.contract_id, people_of(services, album).contract) == ("other", "other")
    assert _groups(services, grouped) == before
    assert {c["label"] for c in grouped.get("/clusters")["clusters"]} == {"Anna", None}
    for face in services.faces.all(f"ALBUM#{grouped.id}"):
        assert face.contract_id == "other"
        assert float(_vector(services, face) @ old[face.id][::-1]) > 0.999
    names = [info.key for info in services.objects.list_objects(keys.user_prefix("alice"))]
    assert not [name for name in names if "/reembed/" in name or "/vectors/test-cards/" in name]
    assert any("/vectors/other/" in name for name in names)
    assert reembed_albums(settings, engine=Other(services)).done == 0
    assert reembed_albums(settings, engine=Other(services), every=True).done == 1
    assert _groups(services, grouped) == before


def _vector(services: Services, face: Face) -> NDArray[np.float32]:
    data = services.objects.get(keys.vectors(face.user_id, face.album_id, face.photo_id))
    return np.asarray(np.load(io.BytesIO(data))[face.row], dtype=np.float32)


def test_it_begins_by_itself_and_new_photos_wait_for_it(
    grouped: AlbumClient, services: Services
) -> None:
    before = _groups(services, grouped)
    switched = dataclasses.replace(services, engine=Other(services))
    with TestClient(create_app(services=switched)) as client:
        album = dataclasses.replace(grouped, http=client)
        album.upload("new.jpg", photo_bytes(77, color=0))
        assert album.process()["state"] == "done"
        limit = time.monotonic() + 120
        key = Album.key_of("alice", album.id)
        while time.monotonic() < limit:
            found = services.albums.get(key)
            groups = _groups(services, grouped)
            if found is not None and found.contract_id == "other" and None not in groups:
                break
            time.sleep(0.05)
        assert sum(map(len, groups.values())) == 11
        assert groups.keys() == before.keys()
        assert all(before[cluster] <= faces for cluster, faces in groups.items())
        assert album.get("/status")["counts"]["unassigned"] == 0


def test_vectors_from_kept_pictures_are_those_from_photos(tmp_path: Path) -> None:
    engine = OnnxFaceEngine()
    truth = write_album(tmp_path / "photos", AlbumSpec(people=4, photos=8, seed=3, width=1280))
    likeness = []
    for number, one in enumerate(truth.photos):
        decoded = analysis.decode((tmp_path / "photos" / one.path).read_bytes(), 2**30)
        photo = Photo(
            id=f"{number}",
            album_id="a",
            user_id="u",
            status="done",
            filename="",
            content_type="image/jpeg",
            size=1,
            created_at="2026-01-01",
            object_key="k",
            sha256="0",
            width=decoded.width,
            height=decoded.height,
        )
        found = analysis.detect(photo, decoded, engine.detect(decoded.pixels))
        if not len(found.crops):
            continue
        vectors, trust = engine.embed(found.crops)
        faces = analysis.face_records(photo, found.detection, trust, "c")
        for face, picture, vector in zip(faces, found.pictures, vectors, strict=True):
            pixels = pictures.decode(picture)
            assert pixels is not None
            crop = analysis.align_picture(pixels, photo, face)
            assert crop is not None
            again, _ = engine.embed(crop[None])
            likeness.append(float(again[0] @ vector))
    assert len(likeness) >= 8
    assert np.median(likeness) > 0.97, sorted(likeness)
    assert min(likeness) > 0.85, sorted(likeness)


def test_killed_before_every_write_the_album_is_switched_all_the_same(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tests.api.ingestion.reembed_points", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    report = json.loads(process.stdout.splitlines()[-1])
    assert report["different"] == {}
    assert report["state"] == "done"
    expected = report["expected"]
    assert (expected["album"], expected["people"]) == ("other-cards", "other-cards")
    assert {contract for contract, _ in expected["faces"].values()} == {"other-cards"}
    assert "Anna" in expected["names"].values()
    assert report["killed"] >= report["writes"] * 3 // 4
