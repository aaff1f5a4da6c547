"""One contract for the workflows: threads of one machine, and a queue with its function on AWS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from api.domain.models import JobKind, JobState
from api.ids import new_id
from api.services import Services
from api.workflow.context import Handler, Handlers, JobContext, JobFailed, RetryLater
from api.workflow.runner import LocalWorkflow
from api.workflow.slots import Slot
from api.workflow.workflow import Workflow
from tests.api.lambdas.albums import local
from tests.api.lambdas.cloud import OPTIONS, Cloud

KIND = JobKind.RECLUSTER


class Home:
    """A home of the workflow with one kind of job; ``work`` runs it for the length of a block."""

    def __init__(
        self,
        services: Callable[[Handlers], tuple[Services, Workflow]],
        work: Callable[..., Iterator[None]],
        lose: Callable[[], None] = lambda: None,
    ) -> None:
        self._open = services
        self._work = work
        self.lose_messages = lose
        self.album = new_id()

    @contextmanager
    def running(self, handler: Handler) -> Iterator[Workflow]:
        self.services, workflow = self._open({KIND: handler})
        with contextmanager(self._work)(workflow):
            yield workflow


@pytest.fixture(params=["local", "aws"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """Each home in turn."""
    if request.param == "local":
        services = local(tmp_path)

        def work(workflow: LocalWorkflow) -> Iterator[None]:
            workflow.resume()
            yield
            workflow.stop(5)

        yield Home(lambda handlers: (services, LocalWorkflow(services, handlers, OPTIONS)), work)
        services.table.close()
        return
    make: Callable[..., Cloud] = request.getfixturevalue("make_cloud")
    made: list[Cloud] = []

    def opened(handlers: Handlers) -> tuple[Services, Workflow]:
        cloud = make(handlers=handlers)
        made.append(cloud)
        return cloud.services, cloud.workflow

    def deliver(_: Workflow) -> Iterator[None]:
        # Two consumers: what one works on must not keep the other from ending it.
        with made[-1].running(), made[-1].running():
            yield

    def lose() -> None:
        cloud = made[-1]
        cloud.client("sqs").purge_queue(QueueUrl=cloud.queues["jobs"])

    yield Home(opened, deliver, lose)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.02)


def state(workflow: Workflow, album: str) -> JobState | None:
    job = workflow.latest(KIND, album)
    return None if job is None else job.state


def test_starts_join_and_make_it_run_again(home: Home) -> None:
    begun, go, runs = Event(), Event(), []

    def handler(context: JobContext) -> None:
        runs.append(context.job.id)
        begun.set()
        assert go.wait(60)

    with home.running(handler) as workflow:
        found = [workflow.start(KIND, "u", home.album).id]
        assert begun.wait(60)
        starts = [
            Thread(target=lambda: found.append(workflow.start(KIND, "u", home.album).id))
            for _ in range(4)
        ]
        for thread in starts:
            thread.start()
        for thread in starts:
            thread.join()
        assert len(found) == 5 and len(set(found)) == 1
        go.set()
        until(lambda: state(workflow, home.album) is JobState.DONE)
        assert len(runs) == 2
        assert workflow.start(KIND, "u", home.album).id != found[0]
        until(lambda: state(workflow, home.album) is JobState.DONE)


def test_failures_are_tried_again_then_given_up(home: Home) -> None:
    runs = []

    def handler(context: JobContext) -> None:
        runs.append(context.job.id)
        if len(runs) <= OPTIONS.max_attempts:
            raise OSError("disk  is\nfull")

    with home.running(handler) as workflow:
        job = workflow.start(KIND, "u", home.album)
        until(lambda: state(workflow, home.album) is JobState.FAILED)
        given_up = workflow.status(home.album, job.id)
        assert given_up is not None and given_up.attempts == OPTIONS.max_attempts == len(runs)
        assert given_up.error == "OSError: disk is full"
        assert workflow.retry(given_up).id == job.id
        until(lambda: state(workflow, home.album) is JobState.DONE)
        done = workflow.status(home.album, job.id)
        assert done is not None and done.error is None and done.progress == 1.0


def test_hopeless_failure_is_not_tried_again(home: Home) -> None:
    runs = []

    def handler(_: JobContext) -> None:
        runs.append(1)
        raise JobFailed("the album was deleted")

    with home.running(handler) as workflow:
        workflow.start(KIND, "u", home.album)
        until(lambda: state(workflow, home.album) is JobState.FAILED)
        time.sleep(0.3)
        assert len(runs) == 1


def test_cancel_ends_going_and_waiting_jobs(home: Home) -> None:
    begun = Event()

    def handler(context: JobContext) -> None:
        if context.job.subject == "fails":
            raise RetryLater("not now")
        begun.set()
        while True:
            context.checkpoint()
            time.sleep(0.01)

    with home.running(handler) as workflow:
        jobs = [workflow.start(KIND, "u", home.album, s) for s in ("", "fails")]
        assert begun.wait(60)
        workflow.cancel(home.album, timeout=60)
        for job in jobs:
            ended = workflow.status(home.album, job.id)
            assert ended is not None and ended.state is JobState.FAILED
        rows = home.services.table.query(f"ALBUM#{home.album}", Slot.prefix).items
        assert [row["active"] for row in rows] == [False, False]


def test_what_was_started_and_forgotten_is_resumed(home: Home) -> None:
    """The process ends between the row and whoever works on it: the message never comes."""
    with home.running(lambda _: None) as workflow:
        pass
    job = workflow.start(KIND, "u", home.album)
    home.lose_messages()
    assert state(workflow, home.album) is JobState.RUNNING
    with home.running(lambda _: None) as other:
        other.resume()
        until(lambda: state(other, home.album) is JobState.DONE)
        found = other.latest(KIND, home.album)
        assert found is not None and found.id == job.id
