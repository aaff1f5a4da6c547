"""What a client has to know before anybody has signed in."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.deps import ServicesDep
from api.routers.schemas.config import ClientConfig, HostedSignIn, LocalSignIn
from api.settings import Settings

router = APIRouter(tags=["system"])

_SCOPES = ["openid", "email"]
_SECONDS = 300


@router.get("/config", operation_id="getConfig")
def get_config(services: ServicesDep, response: Response) -> ClientConfig:
    """How people sign in, and where changes of albums are told."""
    response.headers["Cache-Control"] = f"public, max-age={_SECONDS}"
    return client_config(services.settings)


def client_config(settings: Settings) -> ClientConfig:
    """What clients are told of the settings; nothing of it is a secret.

    Raises:
        ValueError: tokens come from elsewhere, and the settings do not say where people get them.
    """
    return ClientConfig(sign_in=_sign_in(settings), events_url=settings.events_url)


def _sign_in(settings: Settings) -> LocalSignIn | HostedSignIn:
    if settings.jwt_issuer is None and settings.app_env == "local":
        return LocalSignIn()
    if settings.jwt_issuer is None:
        raise ValueError("FACEFLOW_JWT_ISSUER is not set: it has no default outside local")
    if settings.sign_in_url is None:
        raise ValueError("FACEFLOW_SIGN_IN_URL is not set: FACEFLOW_JWT_ISSUER needs it")
    return HostedSignIn(
        issuer=settings.jwt_issuer.rstrip("/"),
        url=settings.sign_in_url,
        client_id=settings.jwt_audience,
        scopes=_SCOPES,
    )
