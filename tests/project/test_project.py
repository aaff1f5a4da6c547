"""The promises of pyproject.toml, requirements.lock and the documents."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE_PACKAGES = ("album", "cli", "clustering", "data.synth", "dedup", "evaluation", "inference")
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "faceflow_ml" / "weights").glob("*.md"),
]

# Imports every module of the base install in a Python that has only its libraries.
IMPORT_ALL = """
import importlib, importlib.abc, pkgutil, sys

absent = set(sys.argv[1].split(","))

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import faceflow_ml
for name in faceflow_ml.__all__:
    getattr(faceflow_ml, name)
for package in sys.argv[2].split(","):
    module = importlib.import_module(f"faceflow_ml.{package}")
    for found in pkgutil.walk_packages(module.__path__, module.__name__ + "."):
        if found.name not in sys.argv[3].split(","):
            importlib.import_module(found.name)
"""


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def locked() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return [line for line in lines if line.strip() and not line.strip().startswith("#")]


def test_the_lock_pins_every_requirement() -> None:
    pinned = {name_of(line) for line in locked()}
    extras = project()["optional-dependencies"]
    wanted = [*project()["dependencies"]]
    # The GPU builds take the place of the CPU's: one environment cannot hold both.
    wanted += [r for extra, requirements in extras.items() if extra != "gpu" for r in requirements]
    assert {name_of(requirement) for requirement in wanted} <= pinned


@pytest.mark.parametrize("line", locked(), ids=name_of)
def test_the_lock_holds_exact_versions_and_no_addresses(line: str) -> None:
    assert re.fullmatch(r"[a-z0-9._-]+==[A-Za-z0-9.+!]+( ; [^@/]+)?", line)


def test_the_base_install_needs_no_library_of_an_extra() -> None:
    base = {name_of(requirement) for requirement in project()["dependencies"]}
    train = {name_of(requirement) for requirement in project()["optional-dependencies"]["train"]}
    assert not train & base
    # `train` and `export` start with what the extra brings, and say so when it is missing.
    torch_commands = ["faceflow_ml.cli.train", "faceflow_ml.cli.export"]
    arguments = [",".join(train), ",".join(BASE_PACKAGES), ",".join(torch_commands)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert records
    assert [record.name for record in records if f"decisions/{record.name}" not in index] == []
