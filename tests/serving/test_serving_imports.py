"""Which way dependencies point, and what a server does not carry along."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.serving.server import ROOT


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_serving_knows_the_library_and_nothing_else_of_the_project() -> None:
    files = list((ROOT / "serving").rglob("*.py"))
    assert len(files) > 20
    tops = {name.partition(".")[0] for file in files for name in imported(file)}
    assert "faceflow_ml" in tops
    assert not tops & {"api", "pipelines", "tests"}
    library = (ROOT / "faceflow_ml").rglob("*.py")
    assert not [
        file for file in library if "serving" in {n.partition(".")[0] for n in imported(file)}
    ]


def test_a_server_loads_neither_torch_nor_the_other_task() -> None:
    code = """
import sys
import serving.server
from serving.handler import load_handler
load_handler("embedding", None, threads=1, device="cpu", max_pixels=1000)
unwanted = ("torch", "fastapi", "boto3", "mlflow", "faiss", "serving.detection", "serving.training")
sys.exit(", ".join(name for name in unwanted if name in sys.modules) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
