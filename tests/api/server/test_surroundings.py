"""What surrounds the routes: problems, ids, headers, limits, metrics, logs, the web client."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.demo import add_demo_album
from api.errors import TooManyRequests
from api.home import open_local_services
from api.logs import bound
from api.main import create_app
from api.server.limits import TokenBuckets
from api.services import Services
from api.settings import Settings
from tests.api.logged import logged

SCRIPT = b'self.__next_f.push([1,"x"])'
PAGE = b"<html><script>" + SCRIPT + b'</script><script src="/_next/static/a.js"></script></html>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    (folder / "_next" / "static").mkdir(parents=True)
    (folder / "album").mkdir()
    (folder / "index.html").write_bytes(PAGE)
    (folder / "album" / "index.html").write_bytes(PAGE)
    (folder / "404.html").write_bytes(b"<html>nothing here</html>")
    (folder / "_next" / "static" / "a.js").write_bytes(b"1")
    return folder


@pytest.fixture
def browser(tmp_path: Path, site: Path) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path / "data", web=site)
    with TestClient(create_app(settings)) as client:
        client.headers["Accept"] = "text/html"
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("PUT", "/albums", 405),
        ("GET", "/albums/not-an-id", 401),
        ("GET", "/receipts/not-an-id", 422),
        ("POST", "/auth/dev-token", 422),
        ("GET", "/objects/tenant/a/b.jpg", 422),
    ],
)
def test_errors_are_problem_documents(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["requestId"] == answer.headers["x-request-id"]
    assert problem["title"]


def test_an_error_of_ours_says_nothing_of_its_inside(
    client: TestClient, alice: dict[str, str]
) -> None:
    services = client.app.state.services  # type: ignore[attr-defined]
    services.table.close()
    answer = client.get("/albums", headers=alice)
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal error")
    assert "sqlite" not in answer.text and "table" not in answer.text


def test_a_request_keeps_the_id_it_comes_with_if_it_is_one(client: TestClient) -> None:
    kept = client.get("/healthz", headers={"X-Request-ID": "abcdef-123456"})
    assert kept.headers["x-request-id"] == "abcdef-123456"
    for given in ("short", "x" * 100, "a b c d e f g h"):
        answer = client.get("/healthz", headers={"X-Request-ID": given})
        assert len(answer.headers["x-request-id"]) == 26


def test_answers_tell_browsers_to_be_careful(client: TestClient) -> None:
    headers = client.get("/healthz").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers


def test_only_the_named_origins_may_ask_from_elsewhere(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path, web=tmp_path / "none", cors_origins=("https://photos.example",)
    )
    client = TestClient(create_app(settings))
    asked = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    good = client.options("/albums", headers=asked | {"Origin": "https://photos.example"})
    assert good.headers["access-control-allow-origin"] == "https://photos.example"
    bad = client.options("/albums", headers=asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in bad.headers


def test_refusals_and_errors_can_be_read_from_elsewhere_too(tmp_path: Path) -> None:
    origin = {"Origin": "https://photos.example"}
    settings = Settings(
        data=tmp_path, web=tmp_path / "none", cors_origins=(origin["Origin"],), rate_per_address=0.5
    )
    client = TestClient(create_app(settings))
    asked = origin | {"Access-Control-Request-Method": "POST"}
    services = client.app.state.services  # type: ignore[attr-defined]
    token = services.tokens.issue("alice")
    services.table.close()
    for _ in range(10):  # none of them counts
        assert client.options("/albums", headers=asked).status_code == 200
    answers = [
        client.get("/albums", headers=origin | {"Authorization": f"Bearer {token}"})
        for _ in range(6)
    ]
    assert [answer.status_code for answer in answers] == [500] * 5 + [429]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin["Origin"]
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        assert answer.headers["content-type"] == "application/problem+json"
    assert int(answers[-1].headers["retry-after"]) >= 1
    again = client.options("/albums", headers=asked)
    assert (again.status_code, again.headers["access-control-allow-origin"]) == (
        200,
        origin["Origin"],
    )


def test_a_request_that_is_too_large_is_refused_before_it_is_read(
    client: TestClient, alice: dict[str, str]
) -> None:
    big = b'{"name": "' + b"x" * (9 * 2**20) + b'"}'
    json_type = {"Content-Type": "application/json"}
    assert client.post("/albums", content=big, headers=alice | json_type).status_code == 413

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(big), 2**20):
            yield big[start : start + 2**20]

    assert client.post("/albums", content=chunks(), headers=alice | json_type).status_code == 413


def test_a_bucket_fills_at_its_rate() -> None:
    buckets = TokenBuckets("test", rate=2, burst=3)
    for _ in range(3):
        buckets.take("a", now=100.0)
    with pytest.raises(TooManyRequests) as refused:
        buckets.take("a", now=100.0)
    assert refused.value.retry_after == 1
    buckets.take("b", now=100.0)
    buckets.take("a", now=100.5)
    with pytest.raises(TooManyRequests):
        buckets.take("a", now=100.6)
    for _ in range(3):
        buckets.take("a", now=200.0)


@pytest.mark.parametrize(
    ("limit", "path"),
    [("rate_per_user", "/me"), ("rate_per_address", "/healthz"), ("rate_sign_in", "sign in")],
)
def test_too_many_requests_are_429(tmp_path: Path, limit: str, path: str) -> None:
    settings = Settings(data=tmp_path, web=tmp_path / "none", **{limit: 0.5})  # type: ignore[arg-type]
    client = TestClient(create_app(settings))
    token = client.app.state.services.tokens.issue("alice")  # type: ignore[attr-defined]
    headers = {"Authorization": f"Bearer {token}"}
    answers = [
        client.post("/auth/dev-token", json={"user": "a"})
        if path == "sign in"
        else client.get(path, headers=headers)
        for _ in range(7)
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].headers["content-type"] == "application/problem+json"


def test_metrics_name_routes_and_never_ids(client: TestClient, alice: dict[str, str]) -> None:
    album = client.post("/albums", json={"name": "a"}, headers=alice).json()["id"]
    client.get(f"/albums/{album}", headers=alice)
    client.get("/nothing/at/all")
    text = client.get("/metrics").text
    assert 'faceflow_http_requests_total{method="GET",route="/albums/{id}",status="200"}' in text
    assert "faceflow_http_request_seconds_bucket" in text
    assert album not in text
    assert "/nothing" not in text


@pytest.mark.parametrize("token", [None, "m" * 20])
def test_metrics_and_development_tokens_are_closed_outside_local(
    tmp_path: Path, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "prod")
    monkeypatch.setenv("FACEFLOW_SIGNING_KEYS", "k" * 32)
    monkeypatch.setenv("FACEFLOW_JWT_ISSUER", "https://issuer.example")
    monkeypatch.setenv("FACEFLOW_SIGN_IN_URL", "https://sign-in.example")
    if token:
        monkeypatch.setenv("FACEFLOW_METRICS_TOKEN", token)
    services = open_local_services(Settings(data=tmp_path, web=tmp_path / "none"))
    client = TestClient(create_app(services=services))
    assert client.post("/auth/dev-token", json={"user": "alice"}).status_code == 404
    assert client.get("/.well-known/jwks.json").status_code == 404
    assert client.get("/metrics").status_code == 404
    given = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert given.status_code == (200 if token else 404)


def test_logs_are_json_with_the_id_of_the_request(
    client: TestClient, alice: dict[str, str]
) -> None:
    with logged() as lines:
        answer = client.get("/me", headers=alice)
        with bound(request_id="from-a-job", job_id="j1"):
            logging.getLogger("faceflow_ml.anything").warning("slow", extra={"seconds": 2})
    (request,) = [line for line in lines if line["event"] == "request"]
    assert request["request_id"] == answer.headers["x-request-id"]
    assert (request["route"], request["status"], request["user"]) == ("/me", 200, "alice")
    (other,) = [line for line in lines if line["event"] == "slow"]
    assert (other["request_id"], other["job_id"], other["seconds"]) == ("from-a-job", "j1", 2)


def test_pages_may_run_their_own_scripts_and_no_others(browser: TestClient) -> None:
    answer = browser.get("/")
    assert answer.content == PAGE
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(SCRIPT).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert browser.get("/album/").content == PAGE


def test_files_with_a_hash_in_their_name_are_cached_for_good(browser: TestClient) -> None:
    answer = browser.get("/_next/static/a.js")
    assert "immutable" in answer.headers["cache-control"]
    first = browser.get("/")
    again = browser.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    # A browser replaces the headers of the page that it has kept by these.
    policy = "content-security-policy"
    assert again.headers[policy] == first.headers[policy]


def test_a_page_that_is_not_there_is_a_page_and_the_api_stays_the_api(browser: TestClient) -> None:
    missing = browser.get("/nothing/here")
    assert (missing.status_code, missing.content) == (404, b"<html>nothing here</html>")
    assert "style-src 'self'" in missing.headers["content-security-policy"]
    script = browser.get("/nothing.js", headers={"Accept": "*/*"})
    assert (script.status_code, script.json()["title"]) == (404, "Not found")
    assert browser.get("/healthz").json() == {"status": "ok"}
    assert browser.get("/albums").status_code == 401
    for path in ("/../secrets/signing.key", "/%2e%2e/data/faceflow.db", "/..%2fdata"):
        assert browser.get(path).status_code == 404


def test_the_docs_come_from_here_and_may_run_what_shows_them(client: TestClient) -> None:
    answer = client.get("/docs")
    policy = answer.headers["content-security-policy"]
    (script,) = re.findall(rb"<script>(.*?)</script>", answer.content, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert "http" not in policy
    found = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert sorted(found) == [
        "/docs/favicon.png",
        "/docs/swagger-ui-bundle.js",
        "/docs/swagger-ui.css",
    ]
    for path in found:
        file = client.get(path)
        assert file.status_code == 200
        assert len(file.content) > 500
    assert client.get("/docs/core.py").status_code == 422


def test_a_folder_becomes_the_demo_album_once(
    client: TestClient, services: Services, sign_in: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (200, 100), (number * 80, 10, 10)).save(folder / f"{number}.jpg")
    (folder / "labels.json").write_text("{}")
    workflow = client.app.state.workflow  # type: ignore[attr-defined]
    album = add_demo_album(services, workflow, folder)
    assert add_demo_album(services, workflow, folder).id == album.id
    demo = sign_in("demo")
    for _ in range(400):
        status = client.get(f"/albums/{album.id}/status", headers=demo).json()
        if status["state"] == "done":
            break
        time.sleep(0.05)
    assert (status["state"], status["counts"]["photos"]) == ("done", 3)
    numbers = client.get("/metrics").text
    for line in (
        'faceflow_photos_processed_total{outcome="done"}',
        'faceflow_jobs_total{kind="ingest",outcome="done"}',
        'faceflow_engine_seconds_count{stage="detect"}',
    ):
        assert float(numbers.partition(line)[2].split()[0]) >= 1, line
    assert len(client.get("/albums", headers=demo).json()["albums"]) == 1
