"""The ingestion on AWS, executed: from an object in the bucket to the people of the album, the same
as on one machine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from api.domain import albums as domain_albums
from api.domain.models import Album, Job, JobKind, JobState
from api.engine.engine import FoundFaces
from api.services import Services
from api.workflow.context import JobFailed, RetryLater
from api.workflow.slots import Slot
from tests.api.conftest import CardEngine
from tests.api.lambdas import albums
from tests.api.lambdas.cloud import STAGES, Cloud, Lost

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


def test_the_same_album_comes_out_as_on_one_machine(cloud: Cloud, waiting: Expected) -> None:
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


def test_every_state_fails_once_and_works_twice(
    make_cloud: Callable[..., Cloud], waiting: Expected
) -> None:
    """Each function fails at first; then its work is done, and its answer gets lost."""
    cloud = make_cloud(small_photos=1, large_photos=2)
    for name in STAGES:
        cloud.trouble[name] = deque([RetryLater("not now"), Lost()])
    upload(cloud, waiting)
    with cloud.running():
        cloud.settle()
    _, album, _, expected = waiting
    assert latest(cloud, album).state is JobState.DONE
    assert differences(albums.result(cloud.services, album), expected) == {}
    assert not any(cloud.trouble.values())
    assert {e["status"] for e in cloud.executions()} == {"SUCCEEDED"}


def test_what_failed_at_any_state_goes_on_where_it_was(
    make_cloud: Callable[..., Cloud], waiting: Expected
) -> None:
    """One state after the other fails the job; whoever asks for it again goes on."""
    cloud = make_cloud()
    _, album, _, expected = waiting
    upload(cloud, waiting)
    with cloud.running():
        for number, name in enumerate(STAGES):
            # A Map is tried again itself.
            cloud.trouble[name] = deque([JobFailed("hopeless")] * 50)
            if number:
                cloud.workflow.start(JobKind.INGEST, album.user_id, album.id)
            cloud.settle()
            failed = latest(cloud, album)
            assert failed.state is JobState.FAILED, name
            assert "taking the photos in failed" in str(failed.error)
            assert "hopeless" not in str(failed.error), "people do not see what is inside"
            del cloud.trouble[name]
            if number % 2:
                # Step Functions tells of it, moto does not. Without, whoever asks finds out.
                told = {"name": cloud.executions()[-1]["name"], "status": "FAILED"}
                kind = "Step Functions Execution Status Change"
                cloud.workflow.send({"detail-type": kind, "detail": told})
                cloud.settle()
        assert cloud.workflow.retry(failed).id == failed.id
        cloud.settle()
    assert latest(cloud, album).state is JobState.DONE
    assert differences(albums.result(cloud.services, album), expected) == {}


def test_replayed_events_start_once(cloud: Cloud, waiting: Expected) -> None:
    source, album, photos, _ = waiting
    albums.copy_rows(source, cloud.services, album)
    key, content = photos[1]
    cloud.services.objects.put(key, content, "image/jpeg")
    sqs, url = cloud.client("sqs"), cloud.queues["ingestion"]
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
    while cloud.deliver():
        pass
    cloud.settle()
    assert len(cloud.executions()) == 1
    sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
    assert cloud.deliver() == 1
    cloud.settle()
    assert len(cloud.executions()) == 1 and cloud.dead == []


def test_messages_that_are_none_of_ours_come_again_and_die(cloud: Cloud, waiting: Expected) -> None:
    source, album, photos, _ = waiting
    albums.copy_rows(source, cloud.services, album)
    key, content = photos[0]
    cloud.services.objects.put(key, content, "image/jpeg")
    s3, raw = cloud.client("s3"), cloud.account.settings.raw_bucket
    # Bytes that nobody announced, and a name that leads into another bucket.
    stray = key.replace(key.rpartition("/")[2], "01J00000000000000000000000.jpg")
    inside = f"tenant/alice/{album.id}/thumb/x.jpg"
    for name in (stray, inside):
        s3.put_object(Bucket=raw, Key=name, Body=b"x")
    cloud.services.objects.put(inside, b"thumbnail", "image/jpeg")
    url = cloud.queues["ingestion"]
    for body in ('{"detail": {}}', "no JSON"):
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    with cloud.running():
        cloud.settle()
    assert sorted(cloud.dead) == ["no JSON", '{"detail": {}}']
    assert latest(cloud, album).state is JobState.DONE, "the others went through"
    assert cloud.services.objects.head(stray) is None
    assert cloud.services.objects.get(inside) == b"thumbnail"


def test_an_album_deleted_meanwhile_leaves_nothing(
    make_cloud: Callable[..., Cloud], waiting: Expected
) -> None:
    begun, go = Event(), Event()

    class Slow(CardEngine):
        def detect(self, image: NDArray[np.uint8]) -> FoundFaces:
            begun.set()
            assert go.wait(60)
            return super().detect(image)

    cloud = make_cloud(engine=Slow())
    upload(cloud, waiting)
    _, album, _, _ = waiting
    with cloud.running():
        assert begun.wait(120)
        domain_albums.delete(cloud.services, cloud.workflow, album)
        slot = Slot.key_of(JobKind.INGEST, album.id)
        limit = time.monotonic() + 60
        while not (cloud.services.table.get(slot) or {"cancelled": True})["cancelled"]:
            assert time.monotonic() < limit
            time.sleep(0.05)
        go.set()
        cloud.settle()
    assert list(cloud.services.table.sort_keys(f"ALBUM#{album.id}")) == []
    assert list(cloud.services.objects.list_objects("tenant/")) == []
    assert {e["status"] for e in cloud.executions()} <= {"ABORTED", "FAILED"}
