"""Tools that only write down how they were called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TOOL = """#!{python} -IS
import json, os, sys
call = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open({log!r}, "a") as log:
    log.write(json.dumps(call) + "\\n")
answers = json.load(open({answers!r}))
for words, (status, text) in answers.items():
    if words in " ".join(call):
        print(text, end="")
        sys.exit(status)
"""


@dataclass
class Bench:
    """A checkout of what delivery needs, and the tools on its PATH."""

    root: Path
    tools: Path
    answers: dict[str, tuple[int, str]]

    def provide(self, *names: str) -> None:
        """Put tools on PATH."""
        text = TOOL.format(
            python=sys.executable,
            log=str(self.root / "calls"),
            answers=str(self.root / "answers"),
        )
        for name in names:
            place = self.tools / name
            place.write_text(text)
            place.chmod(0o755)

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`make target`, with these tools and no credentials but those that they give."""
        words = [f"{name}={value}" for name, value in variables.items()]
        return self._run("make", target, f"PYTHON={sys.executable}", *words)

    def deliver(self, action: str, *words: str) -> subprocess.CompletedProcess[str]:
        """The program that make calls, which needs nothing but the standard library."""
        return self._run(sys.executable, "-IS", "infra/deliver.py", action, *words)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        (self.root / "answers").write_text(json.dumps(self.answers))
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def environment(self) -> Mapping[str, str]:
        kept = ("HOME", "LANG", "PYTHONDONTWRITEBYTECODE")
        found = {name: os.environ[name] for name in kept if name in os.environ}
        return found | {"PATH": str(self.tools), "AWS_REGION": "eu-west-1"}

    @property
    def calls(self) -> list[list[str]]:
        """How the tools were called, without the questions that change nothing."""
        place = self.root / "calls"
        lines = place.read_text().splitlines() if place.exists() else []
        found = [json.loads(line) for line in lines]
        asked = (["docker", "info"], ["aws", "sts"], ["aws", "ecr"])
        return [call for call in found if call[:2] not in asked]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """With everything that is no tool of delivery."""
    root, tools = tmp_path / "checkout", tmp_path / "tools"
    for name in ("Makefile", "infra/deliver.py", "serving/Dockerfile"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for environment in ("dev", "prod"):
        (root / "infra/terraform/envs" / environment).mkdir(parents=True)
    # As the others' recipe is named; the tools here read none.
    (root / "api").mkdir()
    (root / "api/Dockerfile").touch()
    tools.mkdir()
    for name in ("bash", "cat", "git", "make"):
        path = shutil.which(name)
        assert path is not None
        (tools / name).symlink_to(path)
    answers = {"sts get-caller-identity": (0, "111122223333\n"), "describe-images": (254, "")}
    return Bench(root, tools, answers)
