"""Tokens that a Cognito user pool issues, through its published keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient

from api.auth import User
from api.errors import Unauthorized
from api.jwt_tokens import CognitoTokens, load_tokens
from api.main import create_app
from api.services import Services
from api.settings import Settings
from tests.api.contract.emulator import REGION, Emulator

PASSWORD = "Correct-horse-1"


@dataclass(frozen=True)
class Pool:
    """A user pool with a client and the user alice."""

    cognito: Any
    id: str
    client_id: str
    jwks_url: str

    @property
    def issuer(self) -> str:
        return f"https://cognito-idp.{REGION}.amazonaws.com/{self.id}"

    def sign_in(self, client_id: str | None = None) -> dict[str, str]:
        """What alice gets for her password."""
        answer = self.cognito.admin_initiate_auth(
            UserPoolId=self.id,
            ClientId=client_id or self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "alice@example.com", "PASSWORD": PASSWORD},
        )
        tokens: dict[str, str] = answer["AuthenticationResult"]
        return tokens

    def new_client(self) -> str:
        """The id of another application of the pool."""
        answer = self.cognito.create_user_pool_client(UserPoolId=self.id, ClientName="web")
        return str(answer["UserPoolClient"]["ClientId"])


def make_pool(emulator: Emulator) -> Pool:
    cognito = emulator.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="faceflow", UsernameAttributes=["email"])
    pool_id = pool["UserPool"]["Id"]
    cognito.admin_create_user(
        UserPoolId=pool_id,
        Username="alice@example.com",
        UserAttributes=[{"Name": "email", "Value": "alice@example.com"}],
    )
    cognito.admin_set_user_password(
        UserPoolId=pool_id, Username="alice@example.com", Password=PASSWORD, Permanent=True
    )
    made = Pool(cognito, pool_id, "", f"{emulator.url}/{pool_id}/.well-known/jwks.json")
    return Pool(cognito, pool_id, made.new_client(), made.jwks_url)


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
    stranger = {"Authorization": f"Bearer {make_user(pool)}"}
    assert client.get(f"/albums/{album}", headers=stranger).status_code == 404
    assert client.post("/auth/dev-token", json={"user": "a"}).status_code == 404


def make_user(pool: Pool) -> str:
    """An access token of another user of the pool."""
    name = "bob@example.com"
    pool.cognito.admin_create_user(UserPoolId=pool.id, Username=name)
    pool.cognito.admin_set_user_password(
        UserPoolId=pool.id, Username=name, Password=PASSWORD, Permanent=True
    )
    answer = pool.cognito.admin_initiate_auth(
        UserPoolId=pool.id,
        ClientId=pool.client_id,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
    )
    return str(answer["AuthenticationResult"]["AccessToken"])
