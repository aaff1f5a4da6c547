"""kill -9 in the middle of a deployment: who served serves on, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.deployment.servers import Server
from tests.pipelines.deploying import CONFIG, GROUP, Place, answers

ROOT = Path(__file__).parents[2]

DEPLOY = """
import os, signal, sys
from pathlib import Path
from unittest.mock import patch
from pipelines.config import load_pipeline_config
from pipelines.deployment.local import LocalDeployer

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

where, file, *words = sys.argv[1:]
deployer = LocalDeployer(load_pipeline_config(Path(file), words), notice=print)
with patch(where, die):
    deployer.deploy("embedder", approve=True)
"""

KILLED_IN = {
    "before the files are copied": "pipelines.mlflow_registry.MlflowRegistry.download",
    "while the server starts": "pipelines.deployment.servers.Server.ready",
    "while it is compared": "pipelines.deployment.local.compare",
    "before vectors are made anew": "pipelines.deployment.local.merge_weights",
    "once it serves, before aliases": "pipelines.mlflow_registry.MlflowRegistry.set_champion",
    "once it serves, before weights": "pipelines.deployment.local.keep_weights",
}


def servers(root: Path) -> dict[str, Server]:
    """The embedder's servers that the state knows of, by their part in it."""
    slots: dict[str, Any] = json.loads((root / "deployment.json").read_text())["embedder"]
    found = {part: slot["server"] for part, slot in slots.items() if slot and "server" in slot}
    if slots["candidate"]:
        found["candidate"] = slots["candidate"]
    return {part: Server(**server) for part, server in found.items()}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("where", KILLED_IN.values(), ids=KILLED_IN)
def test_a_killed_deployment_goes_on(
    make_place: Callable[..., Place], tmp_path: Path, where: str
) -> None:
    job = f"open({str(tmp_path / 'jobs')!r}, 'a').write('.')"
    command = json.dumps([sys.executable, "-c", job])
    place = make_place(f"deploy.after_contract_change={command}")
    place.register("a" * 16)
    first = place.deployer.deploy("embedder", approve=True)
    place.register("b" * 16)
    killed = subprocess.run(
        [sys.executable, "-c", DEPLOY, where, str(CONFIG), *place.words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = servers(place.root)
    assert answers(first.endpoint) == "a" * 16
    switched = left["active"].url != first.endpoint

    done = place.deployer.deploy("embedder")
    assert done.action == ("unchanged" if switched else "updated")
    assert answers(done.endpoint) == place.champion() == "b" * 16
    (embedder,) = (place.root / "weights/serving").glob("embedder-*.onnx")
    assert embedder.read_text() == "b" * 16
    # Of the first model and of the second: the job was due once each.
    assert (tmp_path / "jobs").read_text() == ".."
    now = servers(place.root)
    assert set(now) == {"active", "previous"}
    assert all(server.alive() for server in now.values())
    if "candidate" in left:
        assert not left["candidate"].alive()  # nobody's server is left over
    back = place.deployer.rollback("embedder")
    assert answers(back.endpoint) == place.champion() == "a" * 16
    assert place.registry.by_alias(GROUP, "previous") is None
