"""The ``faceflow-ml`` command line: thin commands over the library.

The commands' modules are imported when they are called, so that ``--help`` and ``--version``
answer at once and need nothing but the base install.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from faceflow_ml import __version__
from faceflow_ml.cli._common import (
    EXIT_USAGE,
    errors_to_exit_codes,
    fail,
    missing_extra,
    unwind_on_sigterm,
)

if TYPE_CHECKING:
    Command = Any  # typer keeps its command classes private


@dataclass(frozen=True)
class _Entry:
    """Where a command lives. A command group is a Typer ``app`` with sub-commands."""

    module: str
    help: str
    is_group: bool = False


_COMMANDS = {
    "group": _Entry("group", "Find, group and show everyone in a folder of photos."),
    "dedupe": _Entry("dedupe", "Find exact and near-duplicate photos, the keeper first."),
    "detect": _Entry("detect", "Find the faces in photos: boxes, landmarks, scores."),
    "embed": _Entry("detect", "Turn the faces in photos into vectors."),
    "train": _Entry("train", "Train detector, refiner, aligner or embedder.", is_group=True),
    "evaluate": _Entry(
        "evaluate", "Measure a detector, an aligner, an embedder or a grouping.", is_group=True
    ),
    "export": _Entry("export", "Export a checkpoint to ONNX and TorchScript.", is_group=True),
    "data": _Entry(
        "data", "Make data: fictional people, cleaner labels, more people.", is_group=True
    ),
    "bench": _Entry(
        "bench", "Measure this machine: photos per second, ms per stage, quality.", is_group=True
    ),
}


ADDED_COMMANDS = "faceflow_ml.commands"
"""Entry points of this group are Typer apps: command groups of packages that build on the library.
Their modules import little, since their help is listed among the commands."""


def _added() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ADDED_COMMANDS)}


def _load_added(point: EntryPoint) -> Command:
    try:
        added: typer.Typer = point.load()
    except ImportError as error:
        # One that cannot be loaded must not take the others with it.
        reason = f"{point.name} cannot be loaded: {error}"

        def refuse() -> None:
            raise fail(reason, EXIT_USAGE)

        return TyperCommand(point.name, callback=refuse, help=f"({reason})")
    added.rich_markup_mode = "markdown"
    parent = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    parent.add_typer(added, name=point.name, no_args_is_help=True)
    return get_command(parent).commands[point.name]  # type: ignore[attr-defined]


def _load(name: str) -> Command:
    """Import a command's module and build its command.

    Raises:
        typer.Exit: a library of an extra is missing; what to install is on stderr.
    """
    entry = _COMMANDS[name]
    try:
        module = import_module(f"faceflow_ml.cli.{entry.module}")
    except ModuleNotFoundError as error:
        message = missing_extra(error)
        if message is None:
            raise
        raise fail(message, EXIT_USAGE) from error
    # Markdown joins the lines of a docstring's paragraph; the plain mode keeps them apart.
    parent = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    app: typer.Typer | None = getattr(module, "app", None)
    if app is not None and entry.is_group:
        app.rich_markup_mode = "markdown"
        if app.registered_callback is not None:  # it does something by itself, and says what
            parent.add_typer(app, name=name)
        else:
            parent.add_typer(app, name=name, help=entry.help, no_args_is_help=True)
        return get_command(parent).commands[name]  # type: ignore[attr-defined]
    if app is not None:
        parent.registered_commands = [
            command
            for command in app.registered_commands
            if (command.name or getattr(command.callback, "__name__", None)) == name
        ]
    else:
        function: Callable[..., Any] = getattr(module, name)
        parent.command(name)(function)
    command: Command = get_command(parent)
    command.name = name
    return command


class _LazyGroup(TyperGroup):
    """A group that lists its commands from a table and imports only the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._has_added = False
        for name, entry in _COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=entry.help)

    def _add(self) -> None:
        """Add what other packages bring; finding and loading it takes a tenth of a second."""
        if not self._has_added:
            self._has_added = True
            self.commands.update({name: _load_added(at) for name, at in _added().items()})

    def list_commands(self, ctx: Any) -> list[str]:
        self._add()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            self._add()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name in _COMMANDS:
            command = self.commands[name] = _load(name)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        with errors_to_exit_codes():
            return super().invoke(ctx)


app = typer.Typer(
    name="faceflow-ml",
    cls=_LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faceflow-ml {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: faceflow-ml group ~/Photos --out people")
def faceflow(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Find and group the people in piles of photos."""


def main() -> None:
    """Entry point of the ``faceflow-ml`` script."""
    unwind_on_sigterm()
    app(prog_name="faceflow-ml")
