"""Settings, from the environment (``FACEFLOW_*`` and ``APP_ENV``) and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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
