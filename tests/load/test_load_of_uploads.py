"""The load of uploads: a few seconds of it, and what it takes for an error."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest
from fastapi.testclient import TestClient

from api.home import open_services
from api.main import create_app
from api.repositories.sqlite_table import SqliteTable
from api.settings import Settings
from tests.e2e.served import Served
from tests.load.application import dev_token
from tests.load.uploads import Load, Measured, Uploaded, render, upload

# Not imported: that patches the standard library.
pytestmark = pytest.mark.skipif(find_spec("locust") is None, reason="Locust is not installed")

LOAD = Load(users=2, batch=3, size=30_000, seconds=5.0)  # in one, a busy machine ends none


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Uploaded:
    folder, served = tmp_path_factory.mktemp("load"), Served()
    settings = Settings(
        data=folder / "data",
        web=folder / "none",
        public_url=f"http://{served.host}",
        rate_per_user=100_000,
        rate_per_address=100_000,
    )
    services = open_services(settings)
    app = create_app(services=services)
    # Not entered: nothing is processed.
    tokens = [dev_token(TestClient(app), f"load-{n}") for n in range(LOAD.users)]
    served.start(app)
    try:
        return upload(settings.public_url, tokens, LOAD, folder)
    finally:
        served.stop()
        assert isinstance(services.table, SqliteTable)
        services.table.close()


def test_people_upload_without_errors(uploaded: Uploaded) -> None:
    assert uploaded.errors == 0, uploaded
    counts = {one.name: one.count for one in uploaded.requests}
    photos = counts["complete"]
    assert photos >= LOAD.users * LOAD.batch and photos % LOAD.batch == 0
    assert counts["ask for an address"] == counts["send the bytes"] == photos == uploaded.visible
    for one in uploaded.requests:
        assert 0 < one.median <= one.p95 <= one.p99 and one.per_second > 0


def test_a_photo_that_is_lost_is_an_error(uploaded: Uploaded) -> None:
    assert replace(uploaded, visible=uploaded.visible - 1).errors == 1


def test_the_page_says_what_was_measured(uploaded: Uploaded) -> None:
    measured = Measured("Here", uploaded, cpu_ms=12.34, asked={"S3 PUT": 1.0, "S3 HEAD": 0.01})
    page = render(LOAD, [measured], busy=0.25)
    assert "Load average of the machine before: 0.2" in page and "photos of 30 kB" in page
    rate = uploaded.completed.per_second
    assert f"| Here | {rate:.1f} | {rate * 0.03:.1f} | 0 | 12.3 |" in page
    assert f"| complete | {uploaded.completed.count:,} | 0 |" in page
    assert "Requests to AWS for a photo: S3 PUT 1.0." in page
