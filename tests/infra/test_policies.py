"""checkov, a scanner of policies, finds nothing in Terraform but what has a written reason."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "infra/checkov.yaml"
SKIP = re.compile(r"#checkov:skip=(CKV2?_AWS_\d+):(.*)")


def refused() -> dict[str, str]:
    """Reasons in the configuration, by what they refuse: comments stand above entries."""
    reasons: dict[str, str] = {}
    comments: list[str] = []
    after_entry = False
    for line in CONFIG.read_text().split("skip-check:\n")[1].splitlines():
        text = line.strip()
        if text.startswith("#"):
            comments = [] if after_entry else comments
            comments.append(text.strip("# "))
        else:
            reasons[text.strip("- ")] = " ".join(comments)
        after_entry = not text.startswith("#")
    return reasons


def test_every_refusal_has_a_reason() -> None:
    named = yaml.safe_load(CONFIG.read_text())["skip-check"]
    reasons = refused()
    assert set(named) == set(reasons)
    assert all(len(reason) > 20 for reason in reasons.values()), reasons
    for file in (ROOT / "infra/terraform").rglob("*.tf"):
        for line in file.read_text().splitlines():
            if "checkov:skip" in line:
                found = SKIP.search(line)
                assert found and len(found[2]) > 20, f"{file}: {line}"
                assert found[1] not in named, f"{file}: {found[1]} is refused everywhere"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What checkov says of the whole configuration."""
    # An environment of its own: it pins old versions of much that the project uses.
    program = os.environ.get("CHECKOV") or shutil.which("checkov")
    if program is None:
        pytest.skip("checkov is not installed (pipx install checkov, or CHECKOV=its path)")
    copy = tmp_path_factory.mktemp("policies") / "terraform"
    shutil.copytree(ROOT / "infra/terraform", copy, ignore=shutil.ignore_patterns(".terraform*"))
    command = [program, "--config-file", str(CONFIG), "--directory", str(copy), "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_is_found(report: dict[str, Any]) -> None:
    assert report["summary"]["resource_count"] > 150
    failed = [
        f"{one['check_id']} {one['check_name']}: {one['resource']}"
        for one in report["results"]["failed_checks"]
    ]
    assert failed == []
