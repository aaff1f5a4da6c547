"""The branches for large albums: a Processing job that finds the faces, a task that groups them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from api.domain.models import JobKind, JobState
from api.engine.onnx import OnnxFaceEngine
from api.settings import Settings
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from tests.api.contract.emulator import ACCESS_KEY, SECRET_KEY
from tests.api.lambdas import albums
from tests.api.lambdas.cloud import Cloud
from tests.api.lambdas.process import environment_of
from tests.api.lambdas.tasks import Machines, added

SPEC = AlbumSpec(people=2, photos=3, seed=5, faces_per_photo=(1, 2), broken=0, width=480)


def machines(cloud: Cloud, settings: Settings) -> Machines:
    emulator = cloud.account.emulator
    aws = cloud.opened("api").aws
    keys = (ACCESS_KEY, SECRET_KEY)
    return Machines(emulator.client("s3"), environment_of(aws, settings, emulator.url, keys))


def test_faces_of_a_large_album_are_grouped_by_a_task(
    make_cloud: Callable[..., Cloud], cloud_settings: Settings, tmp_path: Path
) -> None:
    home = albums.local(tmp_path / "home")
    data = albums.contents()[:4]
    album, keys = albums.announce(home, data)
    cloud = make_cloud(cluster_photos=0)
    albums.copy_rows(home, cloud.services, album)
    for key, content in zip(keys, data, strict=True):
        home.objects.put(key, content, "image/jpeg")
        cloud.services.objects.put(key, content, "image/jpeg")
    albums.ingest(home, album)
    runner = machines(cloud, cloud_settings)
    with added(runner), cloud.running():
        cloud.settle()
    job = cloud.workflow.latest(JobKind.INGEST, album.id)
    assert job is not None and job.state is JobState.DONE
    assert len(runner.asked) == 1 and "cluster" not in [name for name, _ in cloud.asked]
    assert albums.result(cloud.services, album) == albums.result(home, album)
    home.table.close()


def test_faces_of_a_large_album_are_found_by_a_processing_job(
    make_cloud: Callable[..., Cloud], cloud_settings: Settings, tmp_path: Path
) -> None:
    engine = OnnxFaceEngine()
    write_album(tmp_path / "photos", SPEC, lambda *_: None, force=True)
    data = [path.read_bytes() for path in sorted((tmp_path / "photos").rglob("*.jpg"))[:2]]
    data.append(albums.contents()[4])  # cannot be read
    home = albums.local(tmp_path / "home", engine)
    album, keys = albums.announce(home, data)
    cloud = make_cloud(engine=engine, small_photos=1)
    albums.copy_rows(home, cloud.services, album)
    for key, content in zip(keys, data, strict=True):
        home.objects.put(key, content, "image/jpeg")
        cloud.services.objects.put(key, content, "image/jpeg")
    albums.ingest(home, album)
    runner = machines(cloud, cloud_settings)
    with added(runner), cloud.running():
        cloud.settle()
    (request,) = runner.asked
    assert request["AppSpecification"]["ContainerArguments"][0] == "process"
    names = [name for name, _ in cloud.asked]
    assert "detect" not in names and "embed" in names
    got, expected = albums.result(cloud.services, album), albums.result(home, album)
    faces = [name for name in expected if name.startswith("FACE#")]
    assert len(faces) >= 2
    assert got == expected, "not a face looks different"
    home.table.close()
