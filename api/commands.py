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
from api.services import Services
from api.settings import Settings
from faceflow_ml.errors import ConfigError, FaceFlowError

Data = Annotated[
    Path | None,
    typer.Option(help="Folder of everything that is kept; also FACEFLOW_DATA.", file_okay=False),
]
Out = Annotated[Path, typer.Option(help="Folder of the export; an earlier one is replaced.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def settings_of(data: Path | None) -> Settings:
    """The settings of the environment, with another folder where one is given."""
    given: dict[str, Any] = {} if data is None else {"data": data}
    return Settings(**given)


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

    try:
        aws, client = load_aws_settings(), boto_clients()
        moment = at.replace(tzinfo=UTC)
        if moment > datetime.now(UTC):
            raise ValueError("--at is in the future")
        done = bring_back(
            client("dynamodb"),
            client("s3"),
            aws.table,
            Buckets(aws.raw_bucket, aws.derived_bucket, aws.embeddings_bucket, aws.exports_bucket),
            moment,
            backup=backup,
            overwrite=overwrite,
        )
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except (BotoCoreError, ClientError, OSError) as error:
        typer.echo(f"error: {error}; what was done stays; run it again", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(asdict(done)))


@contextmanager
def _services(data: Path | None) -> Iterator[Services]:
    settings = settings_of(data)
    try:
        # On one machine, opening a folder makes what is not there.
        if settings.app_env == "local" and not (settings.data / "faceflow.db").is_file():
            raise ConfigError(f"{settings.data} holds no application's data")
        services = open_services(settings)
        with closing(services.table):
            yield services
    except (ConfigError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except (ApiError, FaceFlowError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
