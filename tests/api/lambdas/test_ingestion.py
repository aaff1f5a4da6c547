"""The ingestion on AWS, executed: from an object in the bucket to the people of the album, the same
as on one machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from api.domain.models import Album, Job, JobKind, JobState
from api.services import Services
from tests.api.lambdas import albums
from tests.api.lambdas.cloud import Cloud

Expected = tuple[Services, Album, list[tuple[str, bytes]], dict[str, Any]]


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """An album as announced, the bytes of its photos, and what one machine makes of it."""
    folder = tmp_path_factory.mktemp("album")
    source = albums.local(folder / "announced")
    data = albums.contents()
    album, keys = albums.announce(source, data)
    done = albums.local(folder / "done")
    albums.copy_rows(source, done, album)
    for key, content in zip(keys, data, strict=True):
        done.objects.put(key, content, "image/jpeg")
    albums.ingest(done, album)
    expected = albums.result(done, album)
    done.table.close()
    return source, album, list(zip(keys, data, strict=True)), expected


def upload(cloud: Cloud, waiting: Expected) -> None:
    source, album, photos, _ = waiting
    albums.copy_rows(source, cloud.services, album)
    for key, content in photos:
        cloud.services.objects.put(key, content, "image/jpeg")


def latest(cloud: Cloud, album: Album) -> Job:
    job = cloud.workflow.latest(JobKind.INGEST, album.id)
    assert job is not None
    return job


def differences(got: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    names = got.keys() | expected.keys()
    return {n: (got.get(n), expected.get(n)) for n in names if got.get(n) != expected.get(n)}


@pytest.mark.parametrize(
    "sizes", [{}, {"small_photos": 1, "large_photos": 2}], ids=["small", "very large"]
)
def test_the_same_album_comes_out_as_on_one_machine(
    make_cloud: Callable[..., Cloud], waiting: Expected, sizes: dict[str, int]
) -> None:
    cloud = make_cloud(**sizes)
    upload(cloud, waiting)
    with cloud.running():
        cloud.settle()
    _, album, _, expected = waiting
    job = latest(cloud, album)
    assert job.state is JobState.DONE and job.progress == 1.0
    assert {e["status"] for e in cloud.executions()} == {"SUCCEEDED"}
    assert differences(albums.result(cloud.services, album), expected) == {}
    names = [name for name, _ in cloud.asked]
    assert "detect" in names and "embed" in names and cloud.dead == []
    counted = cloud.services.table.get(job.key()) or {}
    assert counted["detected"] == counted["embedded"] or len(cloud.executions()) > 1
