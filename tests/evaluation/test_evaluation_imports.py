"""What measures needs the base install only; plots and Parquet are asked for when wanted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROBE = """
import importlib, pkgutil, sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "pyarrow", "matplotlib", "mlflow", "lightning"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, NotInstalled())
import faceflow_ml.benchmark, faceflow_ml.evaluation
for package in (faceflow_ml.benchmark, faceflow_ml.evaluation):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
importlib.import_module("faceflow_ml.cli.evaluate")
importlib.import_module("faceflow_ml.cli.bench")
"""


def test_no_module_needs_an_extra(pytestconfig: pytest.Config) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROBE],
        capture_output=True,
        text=True,
        check=False,
        cwd=pytestconfig.rootpath,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("library", "options"),
    [("matplotlib", ["--out", "report"]), ("pyarrow", ["--identities", "faces.parquet"])],
)
def test_a_missing_extra_is_said_before_the_work(
    evaluate: Callable,
    toys: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    options: list[str],
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "faceflow_ml.data.parquet", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces.parquet").write_bytes(b"")
    result = evaluate("evaluate", "embedder", "--weights", toys.embedder, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install 'faceflow-ml[train]'" in result.stderr
    assert not (tmp_path / "report").exists()
