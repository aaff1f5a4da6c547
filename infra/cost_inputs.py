"""What the cost model is told: prices, use, the size of the stack, and what was measured."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from faceflow_ml.errors import ConfigError
from faceflow_ml.settings import explain

INPUTS = Path(__file__).with_suffix("").with_name("cost.yaml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tiers(_Section):
    """Intelligent-Tiering: 30 days, then to 90 days, then after."""

    frequent: float
    infrequent: float
    archive_instant: float


class Prices(_Section):
    """US dollars for one of what the name says; a ``call`` is one, not a million."""

    date: object
    region: str
    source: str
    s3_gb_month: Tiers
    s3_put: float
    s3_get: float
    s3_tiering_object_month: float
    dynamodb_write_unit: float
    dynamodb_read_unit: float
    dynamodb_gb_month: float
    dynamodb_recovery_gb_month: float
    lambda_gb_second: float
    lambda_call: float
    api_call: float
    transition: float
    queue_call: float
    event: float
    cdn_gb: float
    cdn_call: float
    log_gb: float
    mail: float
    active_user: float
    endpoint_hour: float
    key_month: float
    secret_month: float
    alarm_month: float
    dashboard_month: float
    firewall_month: float
    firewall_rule_month: float
    firewall_call: float
    mlflow_hour: float
    instance_hour: float
    processing_hour: float
    serverless_gb_second: float
    serverless_data_gb: float


class Usage(_Section):
    """What a photo brings with it, on average; counts are for one photo."""

    photos_a_month: list[int]
    months_kept: int
    photos_of_a_user: int
    photos_of_a_batch: int
    original_mb: float
    thumbnail_kb: float
    crop_kb: float
    reads_of_a_photo: float
    function_gb_seconds: float
    function_calls: float
    api_calls: float
    views: float
    full_views: float
    log_kb: float
    mails: float
    transitions_of_a_batch: float
    large_share: float
    processing_cores: int
    peak: float
    utilisation: float
    request_mb: float


class Stack(_Section):
    """What is there without any photo."""

    zones: int
    interface_endpoints: int
    keys: int
    secrets: int
    alarms: int
    firewalls: int
    firewall_rules: int
    instance_type: str
    instance_cores: int
    instances_at_least: int
    models: int
    serverless_gb: float
    serverless_cores: float


class Inputs(_Section):
    """All of ``infra/cost.yaml``."""

    prices: Prices
    usage: Usage
    stack: Stack


class Measured(_Section):
    """Of the benchmarks.

    detection_ms, embedding_ms: processor milliseconds of a photo and of a face.
    units, bytes: write units, and bytes of rows with their copies in indexes, of a photo with a
    face; of each further one ``face_units``, ``face_bytes``.
    """

    faces_of_a_photo: float
    detection_ms: float
    embedding_ms: float
    units: float
    face_units: float
    bytes: float
    face_bytes: float

    @property
    def core_seconds(self) -> float:
        """Of a photo with its faces."""
        return (self.detection_ms + self.faces_of_a_photo * self.embedding_ms) / 1000


def load(file: Path = INPUTS) -> Inputs:
    """The inputs.

    Raises:
        ConfigError: the file cannot be read, or an input is missing, unknown or of another type.
    """
    try:
        return Inputs.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ConfigError(f"{file}: {explain(error)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {file}: {' '.join(str(error).split())}") from error
