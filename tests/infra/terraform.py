"""Terraform on a copy of the configuration, so that nothing is written into the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parents[2] / "infra"
_PROVIDER = Path("registry.terraform.io/hashicorp/aws")
_SECONDS = 3000  # a busy machine starts the provider slowly, many times


class Unavailable(Exception):
    """Terraform or the AWS provider is not on this machine."""


@dataclass
class Terraform:
    """Commands in a copy of ``infra/terraform``."""

    root: Path
    environment: Mapping[str, str]

    def run(
        self, *arguments: str, folder: str = ".", seconds: float = _SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """One command in a folder of the configuration."""
        return subprocess.run(
            ["terraform", f"-chdir={self.root / folder}", *arguments],
            capture_output=True,
            text=True,
            env=dict(self.environment),
            timeout=seconds,
            check=False,
        )

    def init(self, folder: str = ".") -> None:
        """Install the provider.

        Raises:
            Unavailable: there is none here, and the registry does not answer.
        """
        done = self.run("init", "-backend=false", "-input=false", "-no-color", folder=folder)
        if done.returncode:
            raise Unavailable(f"the AWS provider cannot be installed: {done.stderr[-500:]}")

    def test(self, *files: str, verbose: bool = False) -> TestRun:
        """`terraform test` of these files, in one process."""
        flags = ["-verbose"] if verbose else []
        command = ["terraform", "test", "-json", *flags, *(f"-filter=tests/{f}" for f in files)]
        result = TestRun()
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                result.read(line)
        return result


@dataclass
class TestRun:
    """What `terraform test` said."""

    __test__ = False

    outcomes: dict[str, str] = field(default_factory=dict)
    """Of each ``FILE RUN``."""
    problems: list[str] = field(default_factory=list)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each run made, if that was asked for."""

    def read(self, line: str) -> None:
        """One line of its output."""
        if not line.startswith("{"):
            return
        message = json.loads(line)
        run = f"{message.get('@testfile', '')} {message.get('@testrun', '')}"
        if message["type"] == "test_run" and "status" in message["test_run"]:
            self.outcomes[run] = message["test_run"]["status"]
        elif message["type"] == "diagnostic" and message["diagnostic"]["severity"] == "error":
            diagnostic = message["diagnostic"]
            self.problems.append(f"{run}: {diagnostic['summary']}: {diagnostic['detail']}")
        elif message["type"] == "test_state":
            # Beside the state lies the whole schema of the provider.
            self.states[message["@testrun"]] = message["test_state"]["root_module"]


def resources(module: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """Resources of a type in a state: ``address`` and ``values``."""
    for resource in module.get("resources", []):
        if resource["type"] == kind and resource["mode"] == "managed":
            yield resource
    for child in module.get("child_modules", []):
        yield from resources(child, kind)


def prepare(folder: Path) -> Terraform:
    """A copy of the configuration in ``folder``, and an environment that finds the provider.

    Raises:
        Unavailable: there is no Terraform.
    """
    if shutil.which("terraform") is None:
        raise Unavailable("needs Terraform 1.8 or later on PATH")
    shutil.copytree(INFRA, folder / "infra", ignore=shutil.ignore_patterns(".terraform*"))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))
    }
    environment["CHECKPOINT_DISABLE"] = "1"
    mirror = _mirror()
    if mirror is not None:
        config = folder / "terraform.tfrc"
        config.write_text(
            "provider_installation {\n  filesystem_mirror {\n"
            f"    path = {json.dumps(str(mirror))}\n  }}\n}}\n"
        )
        environment["TF_CLI_CONFIG_FILE"] = str(config)
    return Terraform(folder / "infra/terraform", environment)


def _mirror() -> Path | None:
    """A folder that holds the AWS provider as a mirror does; None: Terraform asks the registry."""
    data = os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local/share"))
    places = [
        os.environ.get("TF_PLUGIN_CACHE_DIR"),
        Path.home() / ".terraform.d/plugins",
        Path(data) / "terraform/plugins",
        "/usr/local/share/terraform/plugins",
        "/usr/share/terraform/plugins",
        *sorted(Path("/opt").glob("*/")),
    ]
    for place in filter(None, places):
        if (Path(place) / _PROVIDER).is_dir():
            return Path(place)
    return None
