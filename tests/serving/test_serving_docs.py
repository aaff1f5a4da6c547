"""What docs/serving.md says of settings and commands is there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from serving.settings import Settings
from tests.serving.server import ROOT

TEXT = (ROOT / "docs/serving.md").read_text()


def test_every_setting_is_described() -> None:
    table = TEXT.partition("| setting |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    described = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(described) == sorted(Settings.model_fields)


@pytest.mark.parametrize("words", [["serve"], ["train"], ["process"], ["embedding"], ["detection"]])
def test_every_command_has_help(words: list[str]) -> None:
    command = [sys.executable, "-m", "serving", *words, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Usage: python -m serving" in done.stdout
