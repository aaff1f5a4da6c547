"""Commands beside serving: consent to training, the export of corrections, restoring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.corrections import export_corrections as export
from api.domain import consent as training
from api.errors import ApiError
from api.home import open_services
from api.server.web import web_folder
from api.services import Services
from api.settings import Settings, as_settings_error, read_settings
from faceflow_ml.cli._common import errors_to_exit_codes
from faceflow_ml.errors import ConfigError, FaceFlowError, SettingsError
from faceflow_ml.inference.pretrained import weights_dir

Data = Annotated[
    Path | None,
    typer.Option(help="Folder of everything that is kept; also FACEFLOW_DATA.", file_okay=False),
]
Out = Annotated[Path, typer.Option(help="Folder of the export; an earlier one is replaced.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def settings_of(data: Path | None) -> Settings:
    """The settings of the environment, with another folder where one is given.

    Raises:
        SettingsError: some are impossible.
    """
    given: dict[str, Any] = {} if data is None else {"data": data}
    return read_settings(**given)


def check_folders(settings: Settings) -> None:
    """See that the folders are there that settings name, the data apart, which are made.

    Raises:
        SettingsError: one is not.
    """
    if settings.web is not None and web_folder(settings) is None:
        raise SettingsError(
            f"FACEFLOW_WEB is {str(settings.web)!r}; it should be a folder with index.html"
        )
    if settings.app_env == "local":
        weights_dir()


@errors_to_exit_codes()
def consent(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    data: Data = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take consent back.")] = False,
) -> None:
    """Note that a user's corrections may train the models, or may not any more.

    Example: python -m api consent ada --data data
    """
    with _services(data) as services:
        if withdraw:
            training.withdraw(services, user)
        else:
            training.give(services, user)
    typer.echo(f"{user} {'does not consent any more' if withdraw else 'consents'}", err=True)


@errors_to_exit_codes()
def export_corrections(out: Out, data: Data = None, as_json: JsonFlag = False) -> None:
    """Write what people corrected as training data, of users who consent and no one else.

    Example: python -m api export-corrections --data data --out exports/corrections
    """
    with _services(data) as services:
        done = export(services, out)
    typer.echo(
        f"{done.faces} faces and {done.statements} statements of {done.users} users are in {out}"
        + (f"; the photos of {done.faces_left_out} more are gone" if done.faces_left_out else ""),
        err=True,
    )
    if as_json:
        typer.echo(json.dumps(asdict(done)))


@errors_to_exit_codes()
def restore(
    at: Annotated[datetime, typer.Option(help="When all was well, UTC.")],
    backup: Annotated[
        str | None, typer.Option(help="ARN of a backup, in place of point-in-time recovery.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace rows that are there: they are wrong.")
    ] = False,
) -> None:
    """Bring back rows and objects that an account on AWS has lost. See RUNBOOK.md first.

    Example: python -m api restore --at 2026-05-06T07:08:09
    """
    # One machine needs no boto3.
    from botocore.exceptions import BotoCoreError, ClientError

    from api.aws import boto_clients, load_aws_settings
    from api.objects.s3_store import Buckets
    from api.restore import restore as bring_back

    moment = at.replace(tzinfo=UTC)
    if moment > datetime.now(UTC):
        raise ConfigError("--at is in the future")
    try:
        with as_settings_error():
            aws, client = load_aws_settings(), boto_clients()
            done = bring_back(
                client("dynamodb"),
                client("s3"),
                aws.table,
                Buckets(
                    aws.raw_bucket, aws.derived_bucket, aws.embeddings_bucket, aws.exports_bucket
                ),
                moment,
                backup=backup,
                overwrite=overwrite,
            )
    except (BotoCoreError, ClientError, OSError) as error:
        raise FaceFlowError(f"{error}; what was done stays; run it again") from error
    typer.echo(json.dumps(asdict(done)))


@contextmanager
def _services(data: Path | None) -> Iterator[Services]:
    settings = settings_of(data)
    # On one machine, opening a folder makes what is not there.
    if settings.app_env == "local" and not (settings.data / "faceflow.db").is_file():
        raise ConfigError(f"{settings.data} holds no application's data")
    try:
        with as_settings_error():
            services = open_services(settings)
            with closing(services.table):
                yield services
    except ApiError as error:
        raise FaceFlowError(str(error)) from error
