"""The homes of the ports: everything on one machine, under one folder; or on AWS."""

from __future__ import annotations

from api import events
from api.engine.engine import FaceEngine
from api.engine.measured import MeasuredEngine
from api.engine.onnx import OnnxFaceEngine
from api.jwt_tokens import load_tokens
from api.keyring import load_keyring
from api.objects.file_store import FileObjectStore
from api.objects.hmac_signer import HmacSigner
from api.repositories.sqlite_table import SqliteTable
from api.services import Services
from api.settings import Settings
from api.sharing.mailers import mailer_of
from api.workflow.context import Handlers
from api.workflow.runner import LocalWorkflow
from api.workflow.workflow import Workflow


def open_services(settings: Settings, engine: FaceEngine | None = None) -> Services:
    """The ports of the environment that the settings name: one machine in ``local``, else AWS.

    Args:
        engine: instead of the home's own.

    Raises:
        ValueError: a secret or a setting is missing that has no default outside ``local``.
    """
    if settings.app_env == "local":
        return open_local_services(settings, engine)
    # One machine does without boto3, which takes a second to load.
    from api.aws import open_aws_services

    return open_aws_services(settings, engine)


def open_workflow(services: Services, handlers: Handlers) -> Workflow:
    """The workflow of the environment: on AWS Step Functions and a queue if the settings name them,
    else this process.

    Raises:
        ValueError: a setting is missing.
    """
    if services.settings.app_env != "local":
        from api.aws import open_aws_workflow

        found = open_aws_workflow(services, handlers)
        if found is not None:
            return found
    return LocalWorkflow(services, handlers)


def forward_events(settings: Settings) -> None:
    """Tell what happens in albums to whoever listens outside of this process, if anybody does.

    Raises:
        ValueError: a setting is missing.
    """
    if settings.app_env != "local":
        from api.aws import open_event_sink

        events.forward(open_event_sink())


def open_local_services(settings: Settings, engine: FaceEngine | None = None) -> Services:
    """Open what the application keeps under ``settings.data``; made if it is not there.

    Args:
        engine: instead of the shipped models.

    Raises:
        ValueError: a secret is missing that has no default outside ``local``.
    """
    keyring = load_keyring(settings)
    tokens = load_tokens(settings)
    settings.data.mkdir(parents=True, exist_ok=True)
    objects = FileObjectStore(settings.data / "objects")
    return Services(
        settings=settings,
        table=SqliteTable(settings.data / "faceflow.db"),
        objects=objects,
        signer=HmacSigner(keyring, settings.public_url),
        engine=MeasuredEngine(engine or OnnxFaceEngine()),
        mailer=mailer_of(settings),
        tokens=tokens,
        keyring=keyring,
        scratch=objects.scratch,
    )
