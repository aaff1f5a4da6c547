"""A killed process loses nothing: see `kill_points`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


SHARES = 2
PHOTOS = [
    ["done", ""],
    ["done", ""],
    ["done", ""],
    ["done", ""],
    ["done", "exact"],
    ["done", "near"],
    ["failed", ""],
]


def test_killed_before_every_write_the_result_is_the_same(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = []
    for share in range(SHARES):
        folder = tmp_path / str(share)
        folder.mkdir()
        command = [sys.executable, "-m", "tests.api.ingestion.kill_points", str(folder)]
        processes.append(
            subprocess.Popen(
                [*command, str(share), str(SHARES)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    killed = writes = 0
    for process in processes:
        out, err = process.communicate(timeout=900)
        assert process.returncode == 0, err[-3000:]
        report = json.loads(out.splitlines()[-1])
        assert report["different"] == {}
        assert report["state"] == "done"
        assert report["photos"] == PHOTOS
        killed += report["killed"]
        writes = max(writes, report["writes"])
    assert killed >= writes * 3 // 4
