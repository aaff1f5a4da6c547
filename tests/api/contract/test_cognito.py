"""Tokens that a Cognito user pool issues, through its published keys."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from fastapi.testclient import TestClient

from api.auth import User
from api.cognito_accounts import CognitoAccounts
from api.domain import erase
from api.domain.receipts import Receipt
from api.errors import Unauthorized
from api.handlers import job_handlers
from api.jwt_tokens import CognitoTokens, load_tokens
from api.main import create_app
from api.repositories.records import Repository
from api.services import Services
from api.settings import Settings
from api.workflow.runner import LocalWorkflow
from tests.api.contract.cognito import Pool, make_pool
from tests.api.contract.emulator import Emulator


@pytest.fixture(scope="module")
def pool(request: pytest.FixtureRequest) -> Pool:
    return make_pool(request.getfixturevalue("emulator"))


@pytest.fixture
def settings(pool: Pool, tmp_path: Path) -> Settings:
    return Settings(
        app_env="dev",
        data=tmp_path,
        jwt_issuer=pool.issuer,
        jwt_audience=pool.client_id,
        jwks_url=pool.jwks_url,
        sign_in_url="https://sign-in.example",
    )


def test_both_kinds_of_token_name_the_same_user(pool: Pool, settings: Settings) -> None:
    tokens = load_tokens(settings)
    assert isinstance(tokens, CognitoTokens)
    signed_in = pool.sign_in()
    claims = jwt.decode(signed_in["IdToken"], options={"verify_signature": False})
    assert tokens.verify(signed_in["IdToken"]) == User(claims["sub"], "alice@example.com")
    assert tokens.verify(signed_in["AccessToken"]).id == claims["sub"]


def test_tokens_for_another_client_are_refused(pool: Pool, settings: Settings) -> None:
    tokens = load_tokens(settings)
    signed_in = pool.sign_in(pool.new_client())
    for kind in ("IdToken", "AccessToken"):
        with pytest.raises(Unauthorized, match="not for this application"):
            tokens.verify(signed_in[kind])


def test_tokens_of_another_pool_are_refused(
    pool: Pool, settings: Settings, emulator: Emulator
) -> None:
    signed_in = make_pool(emulator).sign_in()
    for kind in ("IdToken", "AccessToken"):
        with pytest.raises(Unauthorized, match="not valid"):
            load_tokens(settings).verify(signed_in[kind])


def test_a_refresh_token_opens_nothing(pool: Pool, settings: Settings) -> None:
    with pytest.raises(Unauthorized):
        load_tokens(settings).verify(pool.sign_in()["RefreshToken"])


def test_the_routes_over_the_aws_home_know_their_user(
    pool: Pool, settings: Settings, aws_services: Services
) -> None:
    """From a Cognito token through the routes into DynamoDB, and out as URLs for S3."""
    from dataclasses import replace

    services = replace(aws_services, tokens=load_tokens(settings))
    client = TestClient(create_app(services=services))
    alice = {"Authorization": f"Bearer {pool.sign_in()['AccessToken']}"}
    assert client.get("/albums").status_code == 401
    made = client.post("/albums", json={"name": "Summer"}, headers=alice)
    assert made.status_code == 201, made.text
    album = made.json()["id"]
    listed = client.get("/albums", headers=alice).json()
    assert [one["id"] for one in listed["albums"]] == [album]
    body = {"filename": "a.jpg", "contentType": "image/jpeg", "size": 5}
    target = client.post(f"/albums/{album}/uploadUrl", json=body, headers=alice).json()
    assert target["method"] == "PUT" and "X-Amz-Signature=" in target["url"]
    assert target["headers"]["If-None-Match"] == "*"
    pool.add_user("bob@example.com")
    bob = pool.sign_in(email="bob@example.com")["AccessToken"]
    stranger = {"Authorization": f"Bearer {bob}"}
    assert client.get(f"/albums/{album}", headers=stranger).status_code == 404
    assert client.post("/auth/dev-token", json={"user": "a"}).status_code == 404


def test_erasing_an_account_leaves_nobody_to_sign_in(
    pool: Pool, settings: Settings, aws_services: Services
) -> None:
    """As often as a crash has it done, and nobody else is touched."""
    pool.add_user("carol@example.com")
    user = load_tokens(settings).verify(pool.sign_in(email="carol@example.com")["AccessToken"])
    accounts = CognitoAccounts(lambda: pool.cognito, pool.id)
    services = replace(aws_services, accounts=accounts)
    workflow = LocalWorkflow(services, job_handlers())
    job = erase.request(services, workflow, user.id)
    workflow.resume()
    limit = time.monotonic() + 60
    while Repository(services.table, Receipt).get(Receipt.key_of(job.id)) is None or (
        services.jobs.get(job.key()) is not None
    ):
        assert time.monotonic() < limit
        time.sleep(0.05)
    workflow.stop()
    with pytest.raises(pool.cognito.exceptions.UserNotFoundException):
        pool.sign_in(email="carol@example.com")
    accounts.remove(user.id)
    assert pool.sign_in()
