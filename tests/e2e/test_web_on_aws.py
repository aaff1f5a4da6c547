"""The web client as it is on AWS: signing in on an issuer's pages, uploading to the bucket, showing
what the distribution has, hearing of it by API Gateway's WebSocket. Client, API, adapters and the
function of the sockets are the real ones; what they talk to is this machine's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from pydantic import SecretStr

from api import events
from api.aws import open_aws_services
from api.event_bus import DETAIL_TYPE, SOURCE
from api.ids import new_id, now
from api.lambdas import sockets
from api.main import create_app
from api.settings import Settings
from tests.api.conftest import CardEngine
from tests.api.contract.conftest import Account, account, distribution_keys, emulator
from tests.api.contract.emulator import REGION
from tests.api.lambdas.cloud import Context

from .conftest import Visit
from .gateway import Gateway
from .issuer import CLIENT_ID, PASSWORD, USER, Issuer
from .screens import SLOW, check_screen, choose_files, create_album, open_tab, people
from .served import Served

__all__ = ["account", "distribution_keys", "emulator"]

KEPT = "faceflow.session"
CONTINUE = "Continue to sign in"


@dataclass(frozen=True)
class Site:
    """The application, its issuer and its gateway.

    pushed: how many listeners were told of each event that the application published.
    """

    address: str
    issuer: Issuer
    gateway: Gateway
    pushed: list[int]


@pytest.fixture
def site(
    web_build: Path, tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    issuer, gateway, served = Issuer(), Gateway(), Served()
    address = issuer.origin = f"http://{served.host}"
    _let_upload(account, address)
    settings = Settings(
        app_env="dev",
        data=tmp_path,
        web=web_build,
        public_url=address,
        signing_keys=SecretStr("k" * 32),
        jwt_issuer=issuer.issuer,
        jwt_audience=CLIENT_ID,
        sign_in_url=issuer.url,
        events_url=f"ws://{gateway.host}/main",
        mail_from="FaceFlow <photos@example.com>",
    )
    services = open_aws_services(
        settings, CardEngine(), aws=account.settings, client=account.emulator.client
    )
    management = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=f"http://{gateway.host}/main",
        region_name=REGION,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    opened = sockets.Sockets(services.table, services.tokens, management)
    monkeypatch.setattr(sockets, "sockets", lambda: opened)
    pushed: list[int] = []
    events.forward(lambda album, event: pushed.append(_push(album, event.kind, dict(event.data))))
    served.start(create_app(services=services))
    yield Site(address, issuer, gateway, pushed)
    served.stop()
    events.forward(None)
    gateway.stop()
    issuer.stop()
    services.table.close()


def _let_upload(account: Account, origin: str) -> None:
    """As infra/terraform/modules/s3 does."""
    rule = {
        "AllowedMethods": ["PUT"],
        "AllowedOrigins": [origin],
        "AllowedHeaders": ["content-type", "content-length", "if-none-match", "x-amz-*"],
        "ExposeHeaders": ["ETag"],
    }
    account.emulator.client("s3").put_bucket_cors(
        Bucket=account.settings.raw_bucket, CORSConfiguration={"CORSRules": [rule]}
    )


def _push(album: str, kind: str, data: dict[str, Any]) -> int:
    """As EventBridge hands an event of the application to the function; how many were told."""
    detail = {"albumId": album, "kind": kind, "data": data}
    event = {"source": SOURCE, "detail-type": DETAIL_TYPE, "detail": detail}
    return int(sockets.handler(event, Context("sockets"))["told"])


def test_the_web_client_on_aws(site: Site, visit: Visit, tmp_path: Path) -> None:
    """Sign in, upload, look, listen, renew, sign out."""
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
    _upload(page, site, tmp_path)
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
    page.wait_for_load_state("networkidle")
    for _ in range(20):
        # After a few seconds the page reads again how far the album is, and learns that there is no
        # such job: a slow machine has to be told once more.
        assert _push(album, "job", job) == 1
        with suppress(AssertionError):
            expect(page.get_by_text("Looking for people, 40%")).to_be_visible(timeout=2_000)
            expect(page.get_by_text(re.compile("4 of 10 · Live"))).to_be_visible(timeout=1_000)
            return
    raise AssertionError("the page was told, and shows nothing of it")


def _upload(page: Page, site: Site, folder: Path) -> None:
    """Photos go to the bucket, and come back from the distribution."""
    files = [folder / f"{n}.jpg" for n in range(3)]
    for n, file in enumerate(files):
        Image.new("RGB", (320, 240), (90, 60 + n, 200)).save(file)
    choose_files(page, files)
    expect(page.get_by_text("3 photos uploaded")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("tab", name="People 1")).to_be_visible(timeout=SLOW)
    picture = page.get_by_role("list", name="Photos").locator("img").first
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("(image) => image.naturalWidth") > 0
    open_tab(page, "People")
    expect(people(page)).to_have_count(1)
    open_tab(page, "Photos")
    assert sum(site.pushed) > 0


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
