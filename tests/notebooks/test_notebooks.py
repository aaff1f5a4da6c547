"""The notebooks run from the first cell to the last, and draw."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLOTS = 2
"""At least so many in each."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What they write; faces that one has rendered, the next need not."""
    return tmp_path_factory.mktemp("notebooks")


def test_all_six_are_there() -> None:
    assert [file.name[:2] for file in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_they_are_kept_without_outputs(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (file.parent / link).exists()] == []


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_they_run(file: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEFLOW_NOTEBOOK_WORK", str(work))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    notebook = nbformat.read(file, as_version=4)
    # Three minutes are enough on two idle cores; a busy machine is given its time.
    client = NotebookClient(
        notebook, timeout=900, resources={"metadata": {"path": str(file.parent)}}
    )
    client.execute()
    pictures = [
        output.data["image/png"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= PLOTS
    for picture in pictures:
        encoded = np.frombuffer(base64.b64decode(picture), np.uint8)
        pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        assert pixels is not None and pixels.std() > 5  # not an empty canvas
