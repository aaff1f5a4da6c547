"""Programs that configurations and definitions name: how they are called, and their last word."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def command_line(words: Sequence[str]) -> list[str]:
    """``words`` to start a process with; ``python`` is the one that runs this."""
    return [sys.executable if words[0] == "python" else words[0], *words[1:]]


def last_line(log: Path) -> str:
    """The last line of a log that is not empty; an empty text without any."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
