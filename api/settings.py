"""Settings, from the environment (``FACEFLOW_*`` and ``APP_ENV``) and the command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from faceflow_ml.errors import ConfigError, SettingsError
from faceflow_ml.settings import load_settings, variables
from faceflow_ml.variables import check_variables

_log = logging.getLogger(__name__)

URL = r"^https?://[^\s/]+(/\S*)?$"
KEY_LEAST = 32
"""Bytes of a signing key."""
# Without TLS nothing leaves the machine. Both become part of pages' Content-Security-Policy.
_HTTP = r"(https://[a-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:\d+)?"
_WEBSOCKET = r"(wss://[a-z0-9.-]+|ws://(127\.0\.0\.1|localhost))(:\d+)?"

OTHERS = frozenset(
    f"FACEFLOW_{name}"
    for name in (
        # Of the library, and of programs beside the application.
        *("WEIGHTS", "CONFIGS", "PYTHON", "REGISTRY", "PIPELINE_CONFIG", "NOTEBOOK_WORK", "APPLY"),
        # What the pipeline tells the program that embeds again.
        *("OLD_CONTRACT_ID", "NEW_CONTRACT_ID"),
        # What the state machine tells the task that groups faces.
        *("TASK_TOKEN", "USER_ID", "ALBUM_ID", "JOB_ID", "BATCH"),
    )
)
"""Variables that other code reads, perhaps in the same environment."""
FAMILIES = ("FACEFLOW_SERVING_", "FACEFLOW_LOAD_")
"""Theirs, too: the model servers', which refuse unknown ones, and the load tests'."""


class Settings(BaseSettings):
    """How the application runs. Secrets have no defaults: ``local`` makes its own under ``data``,
    the other environments must be given them."""

    model_config = SettingsConfigDict(env_prefix="FACEFLOW_", frozen=True, extra="ignore")

    app_env: Literal["local", "dev", "prod"] = Field("local", validation_alias="APP_ENV")
    data: Path = Path("data")
    """Everything that is kept lies under it."""
    public_url: str = Field(
        "http://127.0.0.1:8000", pattern=URL, examples=["https://photos.example.org"]
    )
    """Where people reach the application; links and signed URLs begin with it."""
    web: Path | None = None
    """The built web client; None: beside the package, if it is there."""
    signing_keys: SecretStr | None = None
    """Keys of signed URLs and receipts, 32 characters or more each, one a line or by commas: the
    first signs, all verify. None: ``local`` makes one."""
    jwt_issuer: str | None = Field(
        None, pattern=URL, examples=["https://cognito-idp.REGION.amazonaws.com/POOL"]
    )
    """Who issues the tokens: Cognito's ``https://cognito-idp.REGION.amazonaws.com/POOL``. None:
    the local issuer, in ``local`` only."""
    jwt_audience: str = "faceflow"
    """The client id that tokens are for."""
    jwks_url: str | None = Field(
        None, pattern=URL, examples=["https://issuer.example.org/.well-known/jwks.json"]
    )
    """The issuer's keys; None: ``/.well-known/jwks.json`` under the issuer."""
    sign_in_url: str | None = Field(
        None,
        pattern=rf"^{_HTTP}$",
        examples=["https://PREFIX.auth.REGION.amazoncognito.com, without a path"],
    )
    """The issuer's sign-in pages, without a path: Cognito's
    ``https://PREFIX.auth.REGION.amazoncognito.com``. Required where ``jwt_issuer`` is."""
    events_url: str | None = Field(
        None, pattern=rf"^{_WEBSOCKET}(/[\w./-]*)?$", examples=["wss://events.example.org/live"]
    )
    """WebSocket address where browsers hear of albums; None: ``/events`` of this application."""
    token_seconds: int = Field(12 * 3600, ge=1)
    """How long a token of the local issuer lives."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins of web clients that are not served from here; a JSON list in the environment."""
    rate_per_user: float = Field(200.0, gt=0)
    """Requests a second of one user, in the long run; bursts may be ten times as much."""
    rate_per_address: float = Field(500.0, gt=0)
    rate_sign_in: float = Field(20.0, gt=0)
    """Tokens and share passwords a second asked for by one address, in the long run."""
    reembed_rate: float = Field(100.0, gt=0)
    """Faces a second that a process embeds anew in the background, at most."""
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

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _read_origins(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        try:
            found = json.loads(given)
        except ValueError:
            found = None
        if not isinstance(found, list):
            raise ValueError('should be a JSON list like ["https://photos.example.org"]')
        return found

    @field_validator("data")
    @classmethod
    def _is_folder(cls, given: Path) -> Path:
        there = next((path for path in (given, *given.parents) if path.exists()), None)
        if there is not None and not there.is_dir():
            raise ValueError(f"should be a folder, but {there} is a file")
        return given

    @field_validator("signing_keys")
    @classmethod
    def _are_long(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None:
            keys = keys_of(given)
            if not keys or any(len(key) < KEY_LEAST for key in keys):
                raise ValueError(f"each of the keys needs {KEY_LEAST} characters or more")
        return given

    @field_validator("mail_from")
    @classmethod
    def _is_sender(cls, given: str) -> str:
        local, _, domain = parseaddr(given)[1].rpartition("@")
        if not local or not domain or not given.isprintable():
            raise ValueError("should be an address, or Name <address>")
        return given

    @model_validator(mode="after")
    def _encrypts_passwords(self) -> Self:
        if self.smtp_host and self.smtp_user is not None and self.smtp_security == "none":
            raise ValueError(
                "FACEFLOW_SMTP_SECURITY is 'none'; it should be 'starttls' or 'tls' where "
                "FACEFLOW_SMTP_USER is set: a password must not go over the wire unencrypted"
            )
        return self


def read_settings(**given: Any) -> Settings:
    """The settings of the environment; ``given`` ones go before. In ``local`` variables that
    nothing reads are logged.

    Raises:
        SettingsError: some are impossible, or misspelt.
    """
    unread = unread_variables(Settings)
    settings = load_settings(Settings, **given)
    # Elsewhere most are where things are on AWS, which is known to whoever reads that.
    if settings.app_env == "local":
        log_unread(unread)
    return settings


def unread_variables(*kinds: type[BaseSettings]) -> list[str]:
    """A line about each variable that neither these settings have nor other code reads.

    Raises:
        SettingsError: some are misspelt.
    """
    read = {name for kind in kinds for name in variables(kind).values()}
    return check_variables(read | OTHERS, FAMILIES)


def log_unread(lines: list[str]) -> None:
    """Warn of each."""
    for line in lines:
        _log.warning("%s", line)


def keys_of(secret: SecretStr) -> list[bytes]:
    """The keys of a secret that holds one a line, or by commas."""
    lines = secret.get_secret_value().replace(",", "\n").splitlines()
    return [line.strip().encode() for line in lines if line.strip()]


@contextmanager
def as_settings_error() -> Iterator[None]:
    """What is refused while the settings' homes are opened is a matter of settings.

    Raises:
        SettingsError: in place of a ValueError; one line.
    """
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        raise SettingsError(" ".join(str(error).split())) from error
