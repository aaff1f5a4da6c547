"""The homes of the ports on AWS, and what they have to be told."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from api import events, tracing
from api.cognito_accounts import CognitoAccounts, pool_of
from api.engine.engine import FaceEngine
from api.engine.measured import MeasuredEngine
from api.engine.sagemaker import SageMakerFaceEngine
from api.event_bus import EventBus
from api.jwt_tokens import load_tokens
from api.keyring import Keyring, load_keyring
from api.objects.cloudfront_signer import CloudFrontSigner
from api.objects.s3_store import Buckets, S3ObjectStore
from api.objects.signer import Signer
from api.published import Published
from api.repositories.dynamo_table import DynamoTable
from api.services import Services
from api.settings import URL, Settings, log_unread, unread_variables
from api.sharing.mailer import Mailer
from api.sharing.ses_mailer import SesMailer
from api.workflow.context import Handlers
from api.workflow.step_functions import StepFunctionsWorkflow
from faceflow_ml.errors import SettingsError
from faceflow_ml.settings import load_settings

Client = Callable[..., Any]
"""Makes boto3's client of a service; further arguments are boto3's."""

_RETRIES = {"mode": "standard", "max_attempts": 5}
_CONNECTIONS = 50
# As the services allow names.
_TABLE = r"^[A-Za-z0-9_.-]{3,255}$"
_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_PLACE = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._@=+-]*)+$"
_ENDPOINT = r"^[A-Za-z0-9](-?[A-Za-z0-9]){0,62}$"


class AwsSettings(BaseSettings):
    """Where things are on AWS (``FACEFLOW_*``). Region and credentials are boto3's own matter:
    ``AWS_REGION``, and the role of the function or task."""

    model_config = SettingsConfigDict(env_prefix="FACEFLOW_", frozen=True, extra="ignore")

    table: str = Field(pattern=_TABLE, examples=["faceflow-prod"])
    """The DynamoDB table."""
    raw_bucket: str = Field(pattern=_BUCKET, examples=["faceflow-prod-raw"])
    derived_bucket: str = Field(pattern=_BUCKET, examples=["faceflow-prod-derived"])
    embeddings_bucket: str = Field(pattern=_BUCKET, examples=["faceflow-prod-embeddings"])
    exports_bucket: str = Field(pattern=_BUCKET, examples=["faceflow-prod-exports"])
    kms_key: str | None = None
    """Key that objects are encrypted with; None: the default of their buckets."""
    cdn_url: str | None = Field(None, pattern=URL, examples=["https://photos.example.org"])
    """The CloudFront distribution that objects are read through; None: the public URL."""
    url_signer_key_id: str = Field(min_length=1)
    """CloudFront's id of the public key that belongs to the private one."""
    url_signer_secret: str = Field(min_length=1)
    """Secret with the RSA key that signs reads, PEM; ARN or name in Secrets Manager."""
    signing_keys_secret: str | None = None
    """Secret with the signing keys; None: they are in ``FACEFLOW_SIGNING_KEYS``."""
    detection_endpoint: str = Field(pattern=_ENDPOINT, examples=["faceflow-detection"])
    embedding_endpoint: str = Field(pattern=_ENDPOINT, examples=["faceflow-embedding"])
    """SageMaker endpoints."""
    mail_configuration: str | None = None
    """SES configuration set whose events tell of bounces."""
    state_machine_arn: str | None = Field(
        None,
        pattern=r"^arn:[^:]+:states:.+:stateMachine:.+",
        examples=["arn:aws:states:REGION:ACCOUNT:stateMachine:NAME"],
    )
    """The state machine of ingestion; None: this process works on jobs itself."""
    jobs_queue_url: str | None = Field(
        None, pattern=URL, examples=["https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"]
    )
    """The SQS queue of the other jobs."""
    event_bus: str | None = None
    """EventBridge bus that hears what happens in albums."""
    corrections_uri: str | None = Field(
        None, pattern=_PLACE, examples=["s3://faceflow-prod-models/corrections"]
    )
    """``CorrectionsUri`` of the retraining pipeline: corrections are published under it. None: they
    are not."""
    sockets_url: str | None = Field(
        None, pattern=URL, examples=["https://ID.execute-api.REGION.amazonaws.com/STAGE"]
    )
    """Where messages to the connections of the WebSocket API are posted to."""


def load_aws_settings() -> AwsSettings:
    """The settings of the environment. Variables that nothing reads are logged.

    Raises:
        SettingsError: some are missing, impossible or misspelt; all of them are named.
    """
    unread = unread_variables(Settings, AwsSettings)
    try:
        settings = load_settings(AwsSettings)
    except SettingsError as error:
        raise SettingsError(f"outside local, AWS has to be described: {error}") from None
    log_unread(unread)
    return settings


def open_aws_services(
    settings: Settings,
    engine: FaceEngine | None = None,
    *,
    aws: AwsSettings | None = None,
    client: Client | None = None,
    deferred: bool = False,
) -> Services:
    """The application's ports on AWS; nothing is created, and nothing asked but for the secrets.

    Args:
        engine: instead of the endpoints.
        aws: None: of the environment.
        client: makes clients; None: boto3's, of the region and with the credentials that it finds.
        deferred: secrets are read, and clients of seldom services made, when they are needed: a
            function starts sooner, and may read only the secrets that it uses.

    Raises:
        ValueError: a setting or a secret is missing or impossible.
    """
    aws = aws or load_aws_settings()
    client = client or boto_clients()
    s3 = client("s3")
    buckets = Buckets(
        raw=aws.raw_bucket,
        derived=aws.derived_bucket,
        embeddings=aws.embeddings_bucket,
        exports=aws.exports_bucket,
    )
    table = DynamoTable(client("dynamodb"), aws.table)

    def keyring() -> Keyring:
        if aws.signing_keys_secret is None:
            return load_keyring(settings)
        keys = SecretStr(_secret(client, aws.signing_keys_secret))
        return load_keyring(settings.model_copy(update={"signing_keys": keys}))

    def signer() -> Signer:
        return CloudFrontSigner(
            s3,
            buckets,
            base_url=aws.cdn_url or settings.public_url,
            key_id=aws.url_signer_key_id,
            private_key=_secret(client, aws.url_signer_secret).encode(),
        )

    def endpoints() -> FaceEngine:
        return SageMakerFaceEngine(
            client("sagemaker-runtime"),
            detection=aws.detection_endpoint,
            embedding=aws.embedding_endpoint,
        )

    def mailer() -> Mailer:
        return SesMailer(client("sesv2"), settings.mail_from, table, aws.mail_configuration)

    pool = pool_of(settings.jwt_issuer)
    made: Callable[[Callable[[], Any]], Any] = _Deferred if deferred else _call
    return Services(
        settings=settings,
        table=table,
        objects=S3ObjectStore(s3, buckets, aws.kms_key),
        signer=made(signer),
        engine=MeasuredEngine(engine or made(endpoints)),
        mailer=made(mailer),
        tokens=load_tokens(settings),
        keyring=made(keyring),
        published=_published(s3, aws.corrections_uri),
        accounts=CognitoAccounts(lambda: client("cognito-idp"), pool) if pool else None,
    )


def open_aws_workflow(
    services: Services,
    handlers: Handlers,
    *,
    aws: AwsSettings | None = None,
    client: Client | None = None,
) -> StepFunctionsWorkflow | None:
    """The workflow on Step Functions and SQS; None: the settings name neither.

    Raises:
        ValueError: they name one of the two.
    """
    aws = aws or load_aws_settings()
    if aws.state_machine_arn is None and aws.jobs_queue_url is None:
        return None
    if aws.state_machine_arn is None or aws.jobs_queue_url is None:
        raise ValueError("FACEFLOW_STATE_MACHINE_ARN and FACEFLOW_JOBS_QUEUE_URL go together")
    client = client or boto_clients()
    return StepFunctionsWorkflow(
        services,
        handlers,
        states=client("stepfunctions"),
        machine=aws.state_machine_arn,
        queue=client("sqs"),
        queue_url=aws.jobs_queue_url,
    )


def open_event_sink(
    *, aws: AwsSettings | None = None, client: Client | None = None
) -> events.Sink | None:
    """What passes events on to the bus of the settings; None: they name none."""
    aws = aws or load_aws_settings()
    if aws.event_bus is None:
        return None
    return EventBus((client or boto_clients())("events"), aws.event_bus)


def _published(s3: Any, uri: str | None) -> Published | None:
    if uri is None:
        return None
    bucket, _, place = uri.removeprefix("s3://").partition("/")
    # Encrypted with the bucket's own key, which is that of the models.
    store = S3ObjectStore(s3, Buckets(bucket, bucket, bucket, bucket))
    return Published(store, f"{place}/export/")


class _Deferred:
    """Stands for a port until it is used for the first time."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Any:
        return self._make()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)


def _call(make: Callable[[], Any]) -> Any:
    return make()


def _secret(client: Client, name: str) -> str:
    try:
        found = client("secretsmanager").get_secret_value(SecretId=name)
    except (BotoCoreError, ClientError) as error:
        raise ValueError(f"the secret {name} cannot be read: {error}") from error
    text = found.get("SecretString")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"the secret {name} is empty")
    return text


def boto_clients() -> Client:
    """Makes boto3's clients for the region of the environment, as each service needs them.

    Raises:
        SettingsError: there is no region, or no profile of the name that is asked for.
    """
    try:
        # boto3 itself looks at AWS_DEFAULT_REGION only; functions and tasks have AWS_REGION.
        session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    except ProfileNotFound as error:
        raise SettingsError(f"AWS_PROFILE: {error}") from error
    if session.region_name is None:
        raise SettingsError("outside local, AWS has to be described: AWS_REGION is not set")
    tracing.pass_on(session.events)

    def client(service: str, **options: Any) -> Any:
        config = Config(
            # The runtime of SageMaker is asked again by the engine, which knows when that helps.
            retries={"max_attempts": 0} if service == "sagemaker-runtime" else _RETRIES,
            max_pool_connections=_CONNECTIONS,
            connect_timeout=5,
            read_timeout=60,
            # Presigned URLs with the region's own host: the global one redirects, and browsers do
            # not follow that with an upload.
            s3={"addressing_style": "virtual"} if service == "s3" else None,
            signature_version="s3v4" if service == "s3" else None,
        )
        return session.client(service, config=config, **options)

    return client
