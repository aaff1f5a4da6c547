"""What clients are told before anybody has signed in, and what pages may ask for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi.testclient import TestClient
from pydantic import SecretStr, ValidationError

from api.aws import boto_clients
from api.home import open_local_services
from api.main import create_app
from api.objects.cloudfront_signer import CloudFrontSigner
from api.objects.s3_store import Buckets
from api.settings import Settings
from tests.api.contract.conftest import distribution_keys

__all__ = ["distribution_keys"]

HOSTED = {
    "jwt_issuer": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Abc",
    "jwt_audience": "client-1",
    "sign_in_url": "https://faceflow.auth.eu-west-1.amazoncognito.com",
    "events_url": "wss://f6.execute-api.eu-west-1.amazonaws.com/main",
}


def settings_of(folder: Path, **changes: Any) -> Settings:
    """Settings outside ``local``, with a page to serve."""
    (folder / "web").mkdir(exist_ok=True)
    (folder / "web" / "index.html").write_text("<html></html>")
    given = HOSTED | {"app_env": "prod", "signing_keys": SecretStr("k" * 32)} | changes
    return Settings(data=folder, web=folder / "web", **given)


def hosted(folder: Path, **changes: Any) -> TestClient:
    """The application there; its stores are those of one machine, which are none of this."""
    settings = settings_of(folder, **changes)
    return TestClient(create_app(services=open_local_services(settings)))


def policy(client: TestClient) -> dict[str, list[str]]:
    """The Content-Security-Policy of the page."""
    header = client.get("/", headers={"Accept": "text/html"}).headers["content-security-policy"]
    directives = [part.split() for part in header.split(";")]
    return {name: sources for name, *sources in directives}


def test_one_machine_signs_in_by_name(client: TestClient) -> None:
    answer = client.get("/config")
    assert answer.status_code == 200
    assert answer.json() == {"signIn": {"kind": "local"}, "eventsUrl": None}


def test_elsewhere_people_are_sent_to_the_issuer(tmp_path: Path) -> None:
    answer = hosted(tmp_path).get("/config")
    assert answer.json() == {
        "signIn": {
            "kind": "cognito",
            "issuer": HOSTED["jwt_issuer"],
            "url": HOSTED["sign_in_url"],
            "clientId": "client-1",
            "scopes": ["openid", "email"],
        },
        "eventsUrl": HOSTED["events_url"],
    }
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "k" * 32 not in answer.text


@pytest.mark.parametrize("environment", ["local", "dev", "prod"])
def test_the_application_does_not_start_without_sign_in(tmp_path: Path, environment: str) -> None:
    with pytest.raises(ValueError, match="FACEFLOW_SIGN_IN_URL is not set"):
        hosted(tmp_path, app_env=environment, sign_in_url=None)


@pytest.mark.parametrize(
    "changes",
    [
        {"sign_in_url": "http://sign-in.example"},
        {"sign_in_url": "https://sign-in.example/path"},
        {"sign_in_url": "https://a.example; script-src *"},
        {"events_url": "ws://events.example/main"},
        {"events_url": "https://events.example/main"},
        {"events_url": "wss://events.example/main?x=1"},
    ],
    ids=str,
)
def test_addresses_that_are_none(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings_of(tmp_path, **changes)


def test_pages_may_ask_the_issuer_and_hear_events(tmp_path: Path) -> None:
    found = policy(hosted(tmp_path, public_url="https://photos.example"))
    assert found["connect-src"] == [
        "'self'",
        "wss://f6.execute-api.eu-west-1.amazonaws.com",
        HOSTED["sign_in_url"],
        "https://photos.example",
    ]
    assert found["form-action"] == ["'self'"]


def test_pages_may_upload_to_the_bucket_and_show_what_the_distribution_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution_keys: dict[str, RSAPrivateKey]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    pem = distribution_keys["K1"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = CloudFrontSigner(
        boto_clients()("s3"),
        Buckets("raw", "derived", "embeddings", "exports"),
        base_url="https://cdn.example/",
        key_id="K1",
        private_key=pem,
    )
    services = open_local_services(settings_of(tmp_path))
    found = policy(TestClient(create_app(services=replace(services, signer=signer))))
    target = signer.sign_put("tenant/u/p.jpg", seconds=60, content_type="image/jpeg", size=1)
    bucket = "https://raw.s3.eu-central-1.amazonaws.com"
    assert target.url.startswith(f"{bucket}/")
    assert found["connect-src"][-2:] == ["https://cdn.example", bucket]
    assert found["img-src"] == ["'self'", "data:", "blob:", "https://cdn.example"]
