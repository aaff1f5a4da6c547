"""The training container as SageMaker starts it, and that what it leaves can be served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from faceflow_ml import FaceDetector
from faceflow_ml.errors import ConfigError
from faceflow_ml.training.config import EmbedderConfig, load_config
from serving.training import _run, read_job
from tests.serving.conftest import npy
from tests.serving.server import ROOT, serving


def lay_out(
    base: Path, hyperparameters: dict[str, str], hosts: tuple[str, ...] = (), me: str = ""
) -> None:
    config = base / "input/config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    if hosts:
        document = {"current_host": me, "hosts": list(hosts), "network_interface_name": "eth0"}
        (config / "resourceconfig.json").write_text(json.dumps(document))


def test_sagemakers_files_become_its_variables(tmp_path: Path) -> None:
    lay_out(tmp_path, {"config": "embedder/debug", "run.epochs": "3", "optim.lr": '"0.02"'})
    for channel in ("train", "val", "more-data"):
        (tmp_path / "input/data" / channel).mkdir(parents=True)
    job = read_job("embedder", tmp_path)
    assert job.config == ROOT / "configs/embedder/debug.yaml"
    assert job.export
    assert job.words == ()
    assert job.environment["SM_MODEL_DIR"] == str(tmp_path / "model")
    assert json.loads(job.environment["SM_CHANNELS"]) == ["more-data", "train", "val"]
    assert "MASTER_ADDR" not in job.environment
    # As training reads them.
    config = load_config(EmbedderConfig, job.config, job.words, job.environment)
    assert config.run.epochs == 3
    assert config.optim.lr == pytest.approx(0.02)
    assert config.data.train == tmp_path / "input/data/train"
    assert config.data.val == tmp_path / "input/data/val"
    assert config.run.output == tmp_path / "checkpoints"


def test_several_machines_find_each_other(tmp_path: Path) -> None:
    hosts = ("algo-2", "algo-1", "algo-3")
    ranks = {}
    for name in hosts:
        lay_out(tmp_path / name, {"config": "embedder/debug", "export": "false"}, hosts, name)
        job = read_job("embedder", tmp_path / name)
        assert job.words == ("run.nodes=3",)
        assert job.environment["MASTER_ADDR"] == "algo-1"
        assert job.environment["SM_CURRENT_HOST"] == name
        assert not job.export
        ranks[name] = job.environment["NODE_RANK"]
    assert ranks == {"algo-1": "0", "algo-2": "1", "algo-3": "2"}


def test_two_machines_train_one_model_and_the_first_leaves_it(tmp_path: Path) -> None:
    hosts = ("127.0.0.1", "localhost")  # names that find each other here
    settings = {
        "config": "detector/debug",
        "export": "false",
        "data.size": "64",
        "data.synthetic_photos": "2",
        "data.batch_size": "1",
        "run.max_steps": "1",
        "run.threads": "1",
        "run.accelerator": '"cpu"',
        "tracking.enabled": "false",
    }
    for name in hosts:
        lay_out(tmp_path / name, settings, hosts, name)
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.two_machines", *(tmp_path / name for name in hosts)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "GLOBAL_RANK: 0, MEMBER: 1/2" in done.stderr
    assert "GLOBAL_RANK: 1, MEMBER: 2/2" in done.stderr
    assert (tmp_path / hosts[0] / "model/best.ckpt").is_file()
    # Each machine has a disk of its own: there is no checkpoint on the second to leave.
    assert not (tmp_path / hosts[1] / "model/best.ckpt").exists()


def test_a_configuration_may_come_in_a_channel(tmp_path: Path) -> None:
    lay_out(tmp_path, {})
    with pytest.raises(ConfigError, match="which configuration"):
        read_job("detector", tmp_path)
    channel = tmp_path / "input/data/config"
    channel.mkdir(parents=True)
    (channel / "mine.yaml").write_text("data: {synthetic_photos: 2}\n")
    assert read_job("detector", tmp_path).config == channel / "mine.yaml"


def train(task: str, base: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving", task, "train"],
        cwd=base,
        env=os.environ | {"SAGEMAKER_BASE_DIR": str(base), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"config": "detector/nothing"}, "detector/nothing"),
        ({"config": "detector/debug", "run.epoch": "1"}, "run.epoch"),
    ],
)
def test_a_failed_job_leaves_its_reason(
    tmp_path: Path, hyperparameters: dict[str, str], reason: str
) -> None:
    lay_out(tmp_path, hyperparameters)
    done = train("detection", tmp_path)
    assert done.returncode == 2
    assert reason in done.stderr
    assert reason in (tmp_path / "output/failure").read_text()


def test_what_is_trained_can_be_served(tmp_path: Path, photos: list[np.ndarray]) -> None:
    lay_out(
        tmp_path,
        {
            "config": "detector/debug",
            "run.epochs": "1",
            "run.accelerator": '"cpu"',
            "run.threads": "1",
            "data.size": "64",
            "data.synthetic_photos": "2",
            "data.batch_size": "2",
            "tracking.enabled": "false",
        },
    )
    done = train("detection", tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "output/failure").exists()
    assert (tmp_path / "model/best.ckpt").is_file()
    detector = FaceDetector.from_pretrained(tmp_path / "model", threads=1)
    with serving("detection", SAGEMAKER_BASE_DIR=str(tmp_path)) as server:
        answer = server.post(npy(photos[0]), "application/x-npy").json()
        assert answer["contract_id"] == detector.contract_id
        assert len(answer["faces"]) == len(detector.detect(photos[0]))


def test_a_progress_bar_is_no_reason_for_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "faceflow_ml"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import sys\n"
        "sys.stderr.write('Error: no space left\\n\\rEpoch 0:   0%|   | 0/1 [00:04<?, ?it/s]')\n"
        "sys.exit(1)\n"
    )
    monkeypatch.chdir(tmp_path)  # the module is found here first
    assert _run([], dict(os.environ)) == (1, "Error: no space left")
