"""The durable runner: one job at a time, retries, takeovers, orderly ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from api.domain.models import JobKind, JobState
from api.services import Services
from api.workflow.attempts import backoff
from api.workflow.context import Handler, JobContext, JobFailed, RetryLater, RunOptions
from api.workflow.runner import LocalWorkflow
from api.workflow.slots import Slot

OPTIONS = RunOptions(
    lease_seconds=0.6, max_attempts=3, backoff_seconds=0.02, backoff_limit=0.1, progress_seconds=0
)
ALBUM = "01J00000000000000000000000"


@contextmanager
def running(
    services: Services, handler: Handler, kind: JobKind = JobKind.INGEST
) -> Iterator[LocalWorkflow]:
    workflow = LocalWorkflow(services, {kind: handler}, OPTIONS)
    workflow.resume()
    try:
        yield workflow
    finally:
        workflow.stop(5)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.01)


def state(workflow: LocalWorkflow) -> JobState | None:
    job = workflow.latest(JobKind.INGEST, ALBUM)
    return None if job is None else job.state


def test_a_second_start_joins_and_makes_it_run_again(services: Services) -> None:
    begun, go, runs = threading.Event(), threading.Event(), []

    def handler(context: JobContext) -> None:
        runs.append(context.job.id)
        begun.set()
        assert go.wait(20)

    with running(services, handler) as workflow:
        first = workflow.start(JobKind.INGEST, "u", ALBUM)
        assert begun.wait(20)
        assert workflow.start(JobKind.INGEST, "u", ALBUM).id == first.id
        assert workflow.start(JobKind.INGEST, "u", ALBUM).id == first.id
        other = workflow.start(JobKind.INGEST, "u", ALBUM, "other subject")
        assert other.id != first.id
        go.set()
        until(lambda: state(workflow) is JobState.DONE and workflow.idle(5))
        assert runs.count(first.id) == 2
        assert workflow.start(JobKind.INGEST, "u", ALBUM).id != first.id


def test_many_starts_at_once_are_one_job(services: Services) -> None:
    go = threading.Event()
    with running(services, lambda _: go.wait(20) and None) as workflow:
        found: list[str] = []
        threads = [
            threading.Thread(
                target=lambda: found.append(workflow.start(JobKind.INGEST, "u", ALBUM).id)
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        go.set()
        assert len(found) == 8 and len(set(found)) == 1


def test_failures_are_tried_again_then_given_up(services: Services) -> None:
    runs = []

    def handler(context: JobContext) -> None:
        runs.append(context.job.id)
        if len(runs) <= 3:
            raise OSError("disk  is\nfull")

    with running(services, handler) as workflow:
        job = workflow.start(JobKind.INGEST, "u", ALBUM)
        until(lambda: state(workflow) is JobState.FAILED)
        given_up = workflow.status(ALBUM, job.id)
        assert given_up is not None and given_up.attempts == 3 == len(runs)
        assert given_up.error == "OSError: disk is full"
        assert workflow.retry(given_up).id == job.id
        until(lambda: state(workflow) is JobState.DONE)
        done = workflow.status(ALBUM, job.id)
        assert done is not None and done.error is None and done.progress == 1.0


def test_hopeless_failure_is_not_tried_again(services: Services) -> None:
    runs = []

    def handler(_: JobContext) -> None:
        runs.append(1)
        raise JobFailed("the album was deleted")

    with running(services, handler) as workflow:
        workflow.start(JobKind.INGEST, "u", ALBUM)
        until(lambda: state(workflow) is JobState.FAILED)
        assert len(runs) == 1


def test_new_work_ends_the_wait_for_a_retry(services: Services) -> None:
    patient = RunOptions(lease_seconds=0.6, backoff_seconds=3600, progress_seconds=0)
    fail = [True]

    def handler(_: JobContext) -> None:
        if fail.pop() if fail else False:
            raise RetryLater("not now")

    workflow = LocalWorkflow(services, {JobKind.INGEST: handler}, patient)
    workflow.resume()
    try:
        job = workflow.start(JobKind.INGEST, "u", ALBUM)
        until(lambda: not fail and workflow.idle(5))
        assert state(workflow) is JobState.RUNNING
        assert workflow.start(JobKind.INGEST, "u", ALBUM).id == job.id
        until(lambda: state(workflow) is JobState.DONE)
    finally:
        workflow.stop(5)


def test_a_dead_process_is_followed_by_another(services: Services) -> None:
    stuck, release = threading.Event(), threading.Event()

    def hangs(_: JobContext) -> None:
        stuck.set()
        release.wait(30)

    dead = LocalWorkflow(services, {JobKind.INGEST: hangs}, OPTIONS)  # renews no lease
    job = dead.start(JobKind.INGEST, "u", ALBUM)
    assert stuck.wait(20)
    try:
        with running(services, lambda _: None) as workflow:
            until(lambda: state(workflow) is JobState.DONE)
            assert workflow.status(ALBUM, job.id) is not None
    finally:
        release.set()
    # The one that was taken for dead comes to itself, and changes nothing.
    assert dead.idle(20)
    assert state(dead) is JobState.DONE


def test_a_living_process_is_left_alone(services: Services) -> None:
    runs, go = [], threading.Event()

    def handler(context: JobContext) -> None:
        runs.append(context.job.id)
        while not go.wait(0.05):
            context.checkpoint()

    with running(services, handler) as workflow, running(services, handler):
        workflow.start(JobKind.INGEST, "u", ALBUM)
        time.sleep(OPTIONS.lease_seconds * 3)
        go.set()
        until(lambda: state(workflow) is JobState.DONE)
    assert len(runs) == 1


def test_stop_leaves_the_job_to_the_next_process(services: Services) -> None:
    begun = threading.Event()

    def handler(context: JobContext) -> None:
        begun.set()
        while True:
            context.progress(1, 2, "photos")
            time.sleep(0.01)

    with running(services, handler) as workflow:
        workflow.start(JobKind.INGEST, "u", ALBUM)
        assert begun.wait(20)
    slot = workflow.latest(JobKind.INGEST, ALBUM)
    assert slot is not None and slot.state is JobState.RUNNING and slot.attempts == 0
    assert slot.step == "photos" and slot.progress == 0.5
    started = time.monotonic()
    with running(services, lambda _: None) as workflow:
        until(lambda: state(workflow) is JobState.DONE)
    assert time.monotonic() - started < 10


def test_cancel_ends_going_and_waiting_jobs(services: Services) -> None:
    begun = threading.Event()

    def handler(context: JobContext) -> None:
        if context.job.subject == "fails":
            raise RetryLater("not now")
        begun.set()
        while True:
            context.checkpoint()
            time.sleep(0.01)

    patient = RunOptions(lease_seconds=0.6, backoff_seconds=3600, progress_seconds=0)
    workflow = LocalWorkflow(services, {JobKind.INGEST: handler}, patient)
    workflow.resume()
    try:
        jobs = [workflow.start(JobKind.INGEST, "u", ALBUM, s) for s in ("", "fails")]
        assert begun.wait(20)
        workflow.cancel(ALBUM, timeout=20)
        for job in jobs:
            ended = workflow.status(ALBUM, job.id)
            assert ended is not None and ended.state is JobState.FAILED
        rows = services.table.query(f"ALBUM#{ALBUM}", Slot.prefix).items
        assert [row["active"] for row in rows] == [False, False]
    finally:
        workflow.stop(5)


@pytest.mark.parametrize(("attempts", "longest"), [(1, 1.0), (2, 2.0), (4, 8.0), (30, 300.0)])
def test_pauses_grow_with_jitter(attempts: int, longest: float) -> None:
    pauses = {backoff(attempts, RunOptions()) for _ in range(50)}
    assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert len(pauses) > 10
