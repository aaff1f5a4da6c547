"""What the documents about the application have in common."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.load.locusts import Requests

_ROOT = Path(__file__).parents[2]


def origin(command: str, busy: float) -> str:
    """Who wrote a document, where, and how busy the machine was before: its load average."""
    return (
        f"Written by `{command}` at commit {_commit()} on {_machine()}. Load average of the "
        f"machine before: {busy:.1f}; anything above 0.5 makes every time longer."
    )


def verdict(met: bool) -> str:
    """What a table says of a bar."""
    return "met" if met else "**missed**"


def request_table(requests: Sequence[Requests]) -> list[str]:
    """Lines of a table of what Locust counted."""
    return [
        "| request | count | errors | median ms | p95 ms | p99 ms |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {one.name} | {one.count:,} | {one.failures} | {one.median:.0f} | {one.p95:.0f} |"
            f" {one.p99:.0f} |"
            for one in requests
        ),
    ]


def _commit() -> str:
    git = ["git", "-C", str(_ROOT)]
    found = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    if found.returncode:
        return "unknown"
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "api"], check=False)
    return found.stdout.strip() + (" with changes" if changed.returncode else "")


def _machine() -> str:
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()},"
        f" Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    )
