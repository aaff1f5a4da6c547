"""Settings, from the environment (``FACEFLOW_*`` and ``APP_ENV``) and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

# Without TLS nothing leaves the machine. Both become part of pages' Content-Security-Policy.
_HTTP = r"(https://[a-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:\d+)?"
_WEBSOCKET = r"(wss://[a-z0-9.-]+|ws://(127\.0\.0\.1|localhost))(:\d+)?"


class Settings(BaseSettings):
    """How the application runs. Secrets have no defaults: ``local`` makes its own under ``data``,
    the other environments must be given them."""

    model_config = SettingsConfigDict(env_prefix="FACEFLOW_", frozen=True, extra="ignore")

    app_env: Literal["local", "dev", "prod"] = Field("local", validation_alias="APP_ENV")
    data: Path = Path("data")
    """Everything that is kept lies under it."""
    public_url: str = "http://127.0.0.1:8000"
    """Where people reach the application; links and signed URLs begin with it."""
    web: Path | None = None
    """The built web client; None: beside the package, if it is there."""
    signing_keys: SecretStr | None = None
    """Keys of signed URLs and receipts, 32 characters or more each, one a line or by commas: the
    first signs, all verify. None: ``local`` makes one."""
    jwt_issuer: str | None = None
    """Who issues the tokens: Cognito's ``https://cognito-idp.REGION.amazonaws.com/POOL``. None:
    the local issuer, in ``local`` only."""
    jwt_audience: str = "faceflow"
    """The client id that tokens are for."""
    jwks_url: str | None = None
    """The issuer's keys; None: ``/.well-known/jwks.json`` under the issuer."""
    sign_in_url: str | None = Field(None, pattern=rf"^{_HTTP}$")
    """The issuer's sign-in pages, without a path: Cognito's
    ``https://PREFIX.auth.REGION.amazoncognito.com``. Required where ``jwt_issuer`` is."""
    events_url: str | None = Field(None, pattern=rf"^{_WEBSOCKET}(/[\w./-]*)?$")
    """WebSocket address where browsers hear of albums; None: ``/events`` of this application."""
    token_seconds: int = Field(12 * 3600, ge=1)
    """How long a token of the local issuer lives."""
    cors_origins: tuple[str, ...] = ()
    """Origins of web clients that are not served from here."""
    rate_per_user: float = Field(200.0, gt=0)
    """Requests a second of one user, in the long run; bursts may be ten times as much."""
    rate_per_address: float = Field(500.0, gt=0)
    rate_sign_in: float = Field(20.0, gt=0)
    """Tokens and share passwords a second asked for by one address, in the long run."""
    metrics_token: SecretStr | None = None
    """Bearer token of ``/metrics``; without one they are open in ``local``, closed elsewhere."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    upload_url_seconds: int = Field(3600, ge=60)
    view_url_seconds: int = Field(3600, ge=60)
    max_photo_bytes: int = Field(100 * 2**20, ge=1)
    multipart_above: int = Field(16 * 2**20, ge=5 * 2**20)
    part_bytes: int = Field(8 * 2**20, ge=5 * 2**20)
    quota_photos: int = Field(200_000, ge=1)
    """Photos a user may keep."""
    quota_bytes: int = Field(500 * 2**30, ge=1)
    workers: int = Field(2, ge=1)
    """Photos that are processed at once."""
    mail_from: str = "FaceFlow <photos@localhost.localdomain>"
    """Sender of mails: an address, or ``Name <address>``."""
    smtp_host: str | None = None
    """Where mails are handed in; None: they are files in ``data/outbox``."""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
