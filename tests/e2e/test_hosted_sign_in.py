"""The web client as it is on AWS: signing in on an issuer's pages, hearing of albums by API
Gateway's WebSocket. The API, the issuer's protocol, the function of the sockets are real; the
issuer and the gateway are this machine's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from api.ids import new_id, now
from api.jwt_tokens import load_tokens
from api.lambdas import sockets
from api.repositories.sqlite_table import SqliteTable
from api.settings import Settings
from tests.api.lambdas.cloud import Context

from .conftest import Visit, serving
from .gateway import Gateway
from .issuer import CLIENT_ID, PASSWORD, USER, Issuer
from .screens import check_screen, create_album

KEPT = "faceflow.session"
CONTINUE = "Continue to sign in"


@dataclass(frozen=True)
class Site:
    """The application, its issuer and its gateway."""

    address: str
    issuer: Issuer
    gateway: Gateway


@pytest.fixture
def site(web_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    issuer, gateway = Issuer(), Gateway()
    settings = {
        "FACEFLOW_JWT_ISSUER": issuer.issuer,
        "FACEFLOW_JWT_AUDIENCE": CLIENT_ID,
        "FACEFLOW_SIGN_IN_URL": issuer.url,
        "FACEFLOW_EVENTS_URL": f"ws://{gateway.host}/main",
    }
    with serving(web_build, tmp_path, **settings) as address:
        issuer.origin = address
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        table = SqliteTable(tmp_path / "data" / "faceflow.db")
        management = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=f"http://{gateway.host}/main",
            region_name="eu-central-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        opened = sockets.Sockets(table, load_tokens(Settings()), management)
        monkeypatch.setattr(sockets, "sockets", lambda: opened)
        yield Site(address, issuer, gateway)
    gateway.stop()
    table.close()
    issuer.stop()


def test_signing_in_listening_renewing_signing_out(site: Site, visit: Visit) -> None:
    page = visit().page
    page.goto(f"{site.address}/account/")
    page.wait_for_url(re.compile(r"/signin/\?next=%2Faccount%2F$"))
    expect(page.get_by_role("button", name=CONTINUE)).to_be_visible()
    check_screen(page)
    _cancel(page)
    _sign_in(page)
    # Where it was wanted to go, as who the token says; and without the code in the address.
    expect(page.get_by_text(USER)).to_be_visible()
    assert page.url == f"{site.address}/account/"

    page.get_by_role("link", name="FaceFlow: Albums").click()
    create_album(page, "Coast")
    album = re.search(r"[?&]id=([0-9A-Z]{26})", page.url)
    assert album is not None
    _hear(page, site, album[1])
    _renew(page, site)
    _sign_out_everywhere(page, page.context, site)
    _end_by_the_issuer(page, site)
    assert site.gateway.refused == []


def _cancel(page: Page) -> None:
    page.get_by_role("button", name=CONTINUE).click()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_text("Signing in was cancelled.")).to_be_visible()
    check_screen(page)
    page.get_by_role("button", name="Sign in again").click()


def _sign_in(page: Page) -> None:
    page.get_by_role("button", name=CONTINUE).click()
    page.get_by_label("Email").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Submit").click()


def _hear(page: Page, site: Site, album: str) -> None:
    """What EventBridge hands to the function is on the page at once, which asks for nothing."""
    expect(page.get_by_role("heading", name="Coast")).to_be_visible()
    for _ in range(100):
        if site.gateway.open:
            break
        page.wait_for_timeout(100)
    job: dict[str, Any] = {
        "id": new_id(),
        "kind": "ingest",
        "subject": "",
        "state": "running",
        "step": "photos",
        "done": 4,
        "total": 10,
        "progress": 0.4,
        "attempts": 1,
        "error": None,
        "createdAt": now(),
        "updatedAt": now(),
    }
    detail = {"albumId": album, "kind": "job", "data": job}
    event = {"source": "faceflow.api", "detail-type": "Album Event", "detail": detail}
    assert sockets.handler(event, Context("sockets")) == {"told": 1}
    expect(page.get_by_text("Looking for people, 40%")).to_be_visible()
    expect(page.get_by_text(re.compile("4 of 10 · Live"))).to_be_visible()


def _renew(page: Page, site: Site) -> None:
    """After an hour of sleep, say: the next request has another token."""
    before = page.evaluate(
        """(key) => {
            const kept = JSON.parse(localStorage.getItem(key));
            localStorage.setItem(key, JSON.stringify({ ...kept, renewAt: 0, expiresAt: 0 }));
            return kept.token;
        }""",
        KEPT,
    )
    with page.expect_request(re.compile("/albums/[0-9A-Z]+/status")) as asked:
        page.reload()
    expect(page.get_by_role("heading", name="Coast")).to_be_visible()
    sent = asked.value.headers["authorization"].removeprefix("Bearer ")
    assert sent == page.evaluate("(key) => JSON.parse(localStorage.getItem(key)).token", KEPT)
    assert sent != before
    assert site.issuer.refreshed == 1


def _sign_out_everywhere(page: Page, context: BrowserContext, site: Site) -> None:
    """Signed in in a second tab too, and signed out in both; a link to an album waits."""
    album = page.url
    other = context.new_page()
    other.goto(album)
    expect(other.get_by_role("heading", name="Coast")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Account menu")).click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.wait_for_url(f"{site.address}/signin/")
    other.wait_for_url("**/signin/?next=**")
    other.close()
    assert page.evaluate("Object.keys(localStorage)") == []

    page.goto(album)
    page.wait_for_url("**/signin/?next=**")
    # The issuer has forgotten this browser as well: it asks again.
    _sign_in(page)
    expect(page.get_by_role("heading", name="Coast")).to_be_visible()
    assert page.url == album


def _end_by_the_issuer(page: Page, site: Site) -> None:
    site.issuer.end_sessions()
    page.evaluate(
        """(key) => {
            const kept = JSON.parse(localStorage.getItem(key));
            localStorage.setItem(key, JSON.stringify({ ...kept, renewAt: 0, expiresAt: 0 }));
        }""",
        KEPT,
    )
    page.reload()
    page.wait_for_url("**/signin/?next=**")
    expect(page.get_by_text("your session ended")).to_be_visible()
