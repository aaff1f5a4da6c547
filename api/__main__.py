"""Starts the application: ``python -m api --host 127.0.0.1 --port 8000 --data DIR``; other work on
what it keeps: ``python -m api reembed --data DIR``, ``consent``, ``export-corrections``,
``restore``."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from api.commands import (
    Data,
    check_folders,
    consent,
    export_corrections,
    restore,
    settings_of,
)
from api.demo import USER, add_demo_album
from api.heap import share_heaps
from api.logs import configure_logs
from api.main import create_app
from api.reembed import reembed_albums
from api.server.tuning import share_evenly
from api.settings import as_settings_error
from faceflow_ml.cli._common import errors_to_exit_codes
from faceflow_ml.errors import ConfigError

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
app.command()(consent)
app.command()(export_corrections)
app.command()(restore)


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.", min=1, max=65535)] = 8000,
    data: Data = None,
    demo: Annotated[
        Path | None,
        typer.Option(help="Photos for an album of the user demo.", exists=True, file_okay=False),
    ] = None,
) -> None:
    """Serve API, worker, web client and OpenAPI docs at one address.

    Settings come from the environment: APP_ENV and FACEFLOW_*; see api/settings.py.
    """
    if context.invoked_subcommand is not None:
        return
    share_heaps()
    with errors_to_exit_codes():
        settings = settings_of(data)
        # What can be told to be wrong is told before anything is written.
        _check_address(host, port)
        check_folders(settings)
        if "public_url" not in settings.model_fields_set:
            name = "127.0.0.1" if host in ("0.0.0.0", "::") else host
            here = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
            settings = settings.model_copy(update={"public_url": here})
        configure_logs(settings.log_level)
        with as_settings_error():
            application = create_app(settings)
        if demo is not None:
            add_demo_album(application.state.services, application.state.workflow, demo)
            typer.echo(f"The demo album is there: sign in as {USER}", err=True)
    typer.echo(f"FaceFlow is at {settings.public_url}", err=True)
    share_evenly()
    # Watchers of events and downloads must not keep the process from ending.
    uvicorn.run(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )


def _check_address(host: str, port: int) -> None:
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--host is {host!r}; it should be an address: {reason}") from error


@app.command()
@errors_to_exit_codes()
def reembed(
    data: Data = None,
    every: Annotated[
        bool, typer.Option("--all", help="Look through every album, not only stale ones.")
    ] = False,
) -> None:
    """Give albums the vectors of the embedder that is installed now.

    Each album keeps its old vectors until it switches, its people, their names and what was
    decided. Run again after an interruption, it goes on where it was; the application may be
    running. Exit status 1: some albums could not be done, and stay as they are.

    Example: python -m api reembed --data data
    """
    settings = settings_of(data)
    check_folders(settings)
    configure_logs(settings.log_level)
    with as_settings_error():
        outcome = reembed_albums(settings, every=every, say=lambda text: typer.echo(text, err=True))
    typer.echo(f"{outcome.done} albums done, {outcome.failed} failed")
    if outcome.failed:
        sys.exit(1)


if __name__ == "__main__":
    app()
