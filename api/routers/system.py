"""Liveness, metrics, the issuer's keys and tokens for development."""

from __future__ import annotations

import secrets
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from api.deps import ServicesDep, SignInLimit
from api.errors import NotFound
from api.jwt_tokens import LocalTokens, subject_of
from api.repositories.table import Key
from api.routers.schemas.base import RequestBody, Schema

router = APIRouter(tags=["system"])


class Health(Schema):
    """The service answers, and reaches its table."""

    status: Literal["ok"] = "ok"


class TokenRequest(RequestBody):
    """Who wants a token."""

    user: str = Field(min_length=1, max_length=254, pattern=r"\S")
    """A name or an address of mail; the same one is the same user."""


class Token(Schema):
    """A token of the local issuer, to be sent as ``Authorization: Bearer …``."""

    token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    """Seconds."""
    user_id: str


class Keys(Schema):
    """A JSON Web Key Set, RFC 7517."""

    keys: list[dict[str, Any]]


@router.get("/healthz", operation_id="getHealth")
def get_health(services: ServicesDep) -> Health:
    """Is the service alive?"""
    services.table.get(Key("HEALTH", "HEALTH"))
    return Health()


@router.post("/auth/dev-token", operation_id="createDevToken", dependencies=[SignInLimit])
def create_dev_token(services: ServicesDep, body: TokenRequest) -> Token:
    """A token for any user; only in the ``local`` environment, where there is nobody to hide
    from."""
    if services.settings.app_env != "local":
        raise NotFound("there is no such route")
    return Token(
        token=services.tokens.issue(body.user),
        expires_in=services.settings.token_seconds,
        user_id=subject_of(body.user),
    )


@router.get("/.well-known/jwks.json", operation_id="getKeys")
def get_keys(services: ServicesDep, response: Response) -> Keys:
    """The public keys of the local issuer."""
    if not isinstance(services.tokens, LocalTokens):
        raise NotFound("the issuer publishes its keys itself")
    response.headers["Cache-Control"] = "public, max-age=300"
    return Keys.model_validate(services.tokens.jwks())


@router.get("/metrics", include_in_schema=False)
def get_metrics(request: Request, services: ServicesDep) -> Response:
    """What Prometheus asks for."""
    settings = services.settings
    if settings.metrics_token is not None:
        expected = f"Bearer {settings.metrics_token.get_secret_value()}"
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(expected.encode(), given.encode()):
            raise NotFound("there is no such route")
    elif settings.app_env != "local":
        raise NotFound("there is no such route")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
