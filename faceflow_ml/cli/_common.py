"""What every command shares: JSON on stdout, everything else on stderr, exit codes.

Exit codes: 0 the work is done, 1 it failed, 2 bad usage or bad configuration, 130 interrupted
(Ctrl-C), 143 terminated.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

import typer
from rich.console import Console
from rich.markup import escape

from faceflow_ml.errors import ConfigError, FaceFlowError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

console = Console(stderr=True, highlight=False)
"""Where progress, logs and errors go; stdout belongs to results."""

# Which extra of the package brings a library that the base install lacks.
_EXTRAS = {
    "train": (
        "albumentations",
        "lightning",
        "mlflow",
        "onnx",
        "onnxscript",
        "pyarrow",
        "timm",
        "torch",
        "torchmetrics",
        "torchvision",
        "matplotlib",
    ),
    "aws": ("boto3", "botocore", "jsonschema", "sagemaker", "sagemaker_mlflow"),
    "app": ("fastapi", "uvicorn"),
}
_EXTRA_OF = {module: extra for extra, modules in _EXTRAS.items() for module in modules}

# OSErrors that say something about the machine, in words that say what to do.
_OS_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EMFILE: "too many open files",
}


class Terminated(BaseException):
    """SIGTERM arrived; unwinds the stack so that no half-written file is left."""


def dumps_json(value: Any, *, indent: int | None = 2) -> str:
    """One JSON document (RFC 8259) of plain values, dataclasses, pydantic models and arrays.

    Raises:
        ValueError: a number is NaN or infinite, which JSON has no word for.
        TypeError: a value of a type that has no JSON form.
    """
    text = json.dumps(value, default=_jsonable, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # A file name that is not valid UTF-8 is held as lone surrogates; escapes carry them.
        text = json.dumps(value, default=_jsonable, allow_nan=False, indent=indent)
    return text


def emit_json(value: Any) -> None:
    """Print ``value`` on stdout as one JSON document; a command calls it once."""
    text = dumps_json(value)
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:
        sys.stdout.write(text + "\n")
    else:  # UTF-8 whatever the terminal's locale says
        sys.stdout.flush()
        stream.write(text.encode("utf-8") + b"\n")
    sys.stdout.flush()


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    for method in ("model_dump", "tolist"):  # pydantic models; NumPy arrays and scalars
        if hasattr(value, method):
            return getattr(value, method)()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def say(message: str) -> None:
    """One plain line on stderr; ``message`` is text, never markup."""
    console.print(escape(message), soft_wrap=True)


def fail(message: str, code: int = EXIT_FAILED) -> typer.Exit:
    """Print an error on stderr; returns what to raise."""
    console.print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True)
    return typer.Exit(code)


class ProgressBar:
    """Counts work done; a bar on a terminal, a line every ten seconds in a log."""

    def __init__(self, description: str, total: int | None) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._description = description
        self._total = total
        self._done = 0
        self._start = self._logged = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(escape(description), total=total, rate="")

    def advance(self, count: int = 1) -> None:
        """``count`` more units are done."""
        self.update(self._done + count, self._total)

    def update(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` units are done."""
        self._done, self._total = done, total
        now = time.monotonic()
        rate = f"{done / max(now - self._start, 1e-6):.1f}/s"
        self._bar.update(self._task, completed=done, total=total, rate=rate)
        if not console.is_terminal and now - self._logged >= 10:
            self._logged = now
            of = f"/{total}" if total is not None else ""
            say(f"{self._description}: {done}{of} ({rate})")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def progress(description: str, total: int | None = None) -> ProgressBar:
    """A progress bar on stderr, for a ``with`` block: ``bar.advance()`` or ``bar.update(...)``."""
    return ProgressBar(description, total)


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """What to install when ``error`` is about a library of one of the extras, else None."""
    module = (error.name or "").partition(".")[0]
    extra = _EXTRA_OF.get(module)
    if extra is None:
        return None
    return f"this command needs {module}; install it with: pip install 'faceflow-ml[{extra}]'"


def describe_os_error(error: OSError) -> str:
    """One line about an operating-system error, with the file it is about."""
    reason = _OS_ERRORS.get(error.errno or 0) or error.strerror or str(error)
    where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes)) else ""
    return f"{reason}{where}"


@contextmanager
def errors_to_exit_codes() -> Iterator[None]:
    """Turn the errors that a user can act on into one line on stderr and an exit code.

    Anything else is a defect of this program and keeps its traceback.
    """
    try:
        yield
    except ConfigError as error:
        raise fail(str(error), EXIT_USAGE) from error
    except FaceFlowError as error:
        raise fail(str(error)) from error
    except ModuleNotFoundError as error:
        message = missing_extra(error)
        if message is None:
            raise
        raise fail(message, EXIT_USAGE) from error
    except MemoryError as error:
        raise fail("out of memory") from error
    except BrokenPipeError:
        raise  # the reader of stdout went away (`| head`); typer ends quietly
    except OSError as error:
        if error.errno is None:
            raise
        raise fail(describe_os_error(error)) from error
    except KeyboardInterrupt as error:
        say("Interrupted.")
        raise typer.Exit(EXIT_INTERRUPTED) from error
    except Terminated as error:
        say("Terminated.")
        raise typer.Exit(EXIT_TERMINATED) from error


def unwind_on_sigterm() -> None:
    """Let SIGTERM end the program as Ctrl-C does: by unwinding, so that writers clean up."""

    def handler(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one unwinding is enough
        raise Terminated

    signal.signal(signal.SIGTERM, handler)
