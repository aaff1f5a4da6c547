"""A killed process loses nothing: see `kill_points`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_killed_before_every_write_the_result_is_the_same(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.api.ingestion.kill_points", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["different"] == {}
    assert report["state"] == "done"
    assert report["killed"] >= report["writes"] * 3 // 4
    assert report["photos"] == [
        ["done", ""],
        ["done", ""],
        ["done", ""],
        ["done", ""],
        ["done", "exact"],
        ["done", "near"],
        ["failed", ""],
    ]
