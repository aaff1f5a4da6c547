"""What clients are told before anybody has signed in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.routers.schemas.base import Schema


class LocalSignIn(Schema):
    """By a name: ``POST /auth/dev-token``."""

    kind: Literal["local"] = "local"


class HostedSignIn(Schema):
    """On Cognito's pages: OAuth 2.0's code flow with PKCE, at ``/oauth2/authorize``,
    ``/oauth2/token``, ``/oauth2/revoke`` and ``/logout`` under ``url``."""

    kind: Literal["cognito"] = "cognito"
    issuer: str
    url: str
    client_id: str
    """Of a public client: there is no secret."""
    scopes: list[str]


class ClientConfig(Schema):
    """How to sign in, and where to listen."""

    sign_in: Annotated[LocalSignIn | HostedSignIn, Field(discriminator="kind")]
    events_url: str | None
    """WebSocket address that tells what happens in an album, given the query ``album`` and
    ``token``; null: ``/events`` of this API."""
