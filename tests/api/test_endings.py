"""A killed process leaves nothing half done: see `endings`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.api.endings import OTHER, PHOTOS
from tests.api.ingestion.kill_points import USER

ROOT = Path(__file__).parents[2]


def _killed_everywhere(folder: Path, case: str) -> dict[str, Any]:
    system = folder / "system"
    system.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.api.endings", str(folder), case],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(system)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert report["different"] == {}
    # ONNX Runtime keeps the id of its session in a file.
    left = [path.name for path in system.iterdir() if path.name != ".ses"]
    assert not left, "what nobody would ever clear away"
    assert report["killed"] >= report["writes"] * 3 // 4
    return report


def test_an_archive_is_the_same_wherever_its_building_is_killed(tmp_path: Path) -> None:
    report = _killed_everywhere(tmp_path, "archive")
    row, files = report["expected"]["row"], report["expected"]["files"]
    assert (row["photos"], row["upload_id"]) == (PHOTOS, None)
    (archive,) = [name for name in files if name.endswith("archive.zip")]
    assert row["sha256"] == files[archive] and row["size"] > 8 * 2**20, "of more than a part"


def test_an_account_is_gone_wherever_its_erasing_is_killed(tmp_path: Path) -> None:
    report = _killed_everywhere(tmp_path, "erase")
    left = report["expected"]
    ((state, genuine, erased),) = left["receipts"]
    assert (state, genuine) == ("done", True)
    assert (erased["albums"], erased["photos"], erased["shares"]) == (1, PHOTOS, 1)
    rest = json.dumps([left["rows"], left["files"]])
    assert not [name for name in (USER, report["album"], report["share"], "Anna") if name in rest]
    assert OTHER in rest
