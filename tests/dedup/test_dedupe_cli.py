"""`faceflow-ml dedupe` on folders of files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from faceflow_ml.cli import app
from faceflow_ml.errors import WeightsError


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dedupe", *arguments])


def write(path: Path, seed: int, size: tuple[int, int] = (640, 480), quality: int = 92) -> None:
    coarse = np.random.default_rng(seed).uniform(0, 255, (12, 16, 3)).astype(np.float32)
    image = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    write(root / "a.jpg", 0)
    write(root / "dür b" / "small.jpg", 0, size=(320, 240))
    write(root / "other.jpg", 1)
    shutil.copy(root / "other.jpg", root / "z copy.jpg")
    (root / "broken.jpg").write_bytes((root / "a.jpg").read_bytes()[:2000])
    (root / "empty.png").touch()
    return root


def test_json(folder: Path) -> None:
    result = run(str(folder), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["photos"] == 4
    assert report["duplicates"] == [
        {"keep": "a.jpg", "drop": ["dür b/small.jpg"], "kind": "near"},
        {"keep": "other.jpg", "drop": ["z copy.jpg"], "kind": "exact"},
    ]
    assert [photo["path"] for photo in report["unreadable"]] == ["broken.jpg", "empty.png"]
    assert all(photo["error"] for photo in report["unreadable"])


def test_text(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    result = run(str(folder))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "near: keep a.jpg",
        "  drop dür b/small.jpg",
        "exact: keep other.jpg",
        "  drop z copy.jpg",
    ]
    assert "Skipped broken.jpg" in result.stderr and "Skipped empty.png" in result.stderr
    assert "2 of 4 photos are duplicates; 2 could not be read." in result.stderr
    assert sorted(folder.rglob("*")) == before, "nothing is deleted or written"


def test_no_photos(tmp_path: Path) -> None:
    result = run(str(tmp_path), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"photos": 0, "duplicates": [], "unreadable": []}


def test_no_folder(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none"))
    assert result.exit_code == 2 and "none" in result.stderr and result.stdout == ""


class _CountingDetector:
    """Finds one face, and two in photos that are lighter on the left."""

    def detect(self, image: np.ndarray) -> list[int]:
        width = image.shape[1]
        return [0] * (1 + int(image[:, : width // 8].mean() > image[:, -width // 8 :].mean()))


def _tied(folder: Path) -> tuple[str, str]:
    """Two near-duplicates of one resolution: the second is a little lighter on the left."""
    write(folder / "a.jpg", 5, quality=95)
    image = cv2.imread(str(folder / "a.jpg")).astype(np.float32)
    sides = [image[:, :80].mean(), image[:, -80:].mean()]
    tilt = np.linspace(1, -1, image.shape[1])[None, :, None] * (abs(sides[0] - sides[1]) + 10)
    lighter = (image + tilt * 0.6).clip(0, 255) if sides[0] < sides[1] else image
    darker = image if sides[0] < sides[1] else (image - tilt * 0.6).clip(0, 255)
    cv2.imwrite(str(folder / "one.jpg"), darker, [cv2.IMWRITE_JPEG_QUALITY, 95])
    cv2.imwrite(str(folder / "two.jpg"), lighter, [cv2.IMWRITE_JPEG_QUALITY, 60])
    (folder / "a.jpg").unlink()
    return "one.jpg", "two.jpg"


def test_faces_decide_between_equal_resolutions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = _tied(tmp_path)
    assert (tmp_path / one).stat().st_size > (tmp_path / two).stat().st_size
    monkeypatch.setattr(
        "faceflow_ml.cli.dedupe.FaceDetector.from_pretrained", lambda: _CountingDetector()
    )
    duplicates = json.loads(run(str(tmp_path), "--json").stdout)["duplicates"]
    assert duplicates == [{"keep": two, "drop": [one], "kind": "near"}]


def test_without_weights_size_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = _tied(tmp_path)

    def missing() -> None:
        raise WeightsError("detector.onnx is missing")

    monkeypatch.setattr("faceflow_ml.cli.dedupe.FaceDetector.from_pretrained", missing)
    result = run(str(tmp_path), "--json")
    assert result.exit_code == 0 and "detector.onnx is missing" in result.stderr
    assert json.loads(result.stdout)["duplicates"] == [{"keep": one, "drop": [two], "kind": "near"}]
