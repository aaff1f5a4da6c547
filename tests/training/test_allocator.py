"""Freed memory is used again, without the system's help."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back that is wanted again"
)

_STEPS = """
import resource
import numpy as np
from faceflow_ml.training.allocator import keep_freed_memory

def step():
    return (np.full(16 << 20, 1.0, np.float32) + 1).sum()

if {keeps}:
    keep_freed_memory()
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _page_faults(*, keeps: bool) -> int:
    command = [sys.executable, "-c", _STEPS.format(keeps=keeps)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_pages_are_asked_for_once() -> None:
    assert _page_faults(keeps=True) < _page_faults(keeps=False) / 10
