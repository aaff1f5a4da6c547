"""Training for real, on a handful of fictional faces: it learns, resumes, tracks and fails well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.inference.aligner import FaceAligner
from faceflow_ml.training import trainer
from faceflow_ml.training.checkpoints import load_checkpoint
from faceflow_ml.training.config import DetectorConfig, EmbedderConfig, load_config, save_config
from faceflow_ml.training.trainer import TrainResult, train

MakeEmbedder = Callable[..., EmbedderConfig]
MakeDetector = Callable[..., DetectorConfig]


def test_embedder_overfits_a_handful_of_faces(embedder_config: MakeEmbedder) -> None:
    result = train(embedder_config("head.margin=0", "model.dropout=0"))
    assert result.metrics["train/accuracy"] >= 0.7  # chance is 1 in 6
    assert result.last_checkpoint.is_file()


def test_detector_overfits_a_handful_of_photos(
    detector_config: MakeDetector, tmp_path: Path
) -> None:
    first = train(detector_config("run.max_steps=1", f"run.output={tmp_path / 'first'}"))
    last = train(detector_config())
    assert last.metrics["train/loss"] < 0.7 * first.metrics["train/loss"]


def test_detector_trains_with_simota_and_ignored_faces(detector_config: MakeDetector) -> None:
    result = train(detector_config("loss.assigner=simota", "run.max_steps=3", "data.mosaic=1.0"))
    assert result.steps == 3


# An epoch of the aligner or refiner is a step or few: many, lest it end before it is killed.
@pytest.mark.parametrize(("kind", "epochs"), [("embedder", 4), ("refiner", 12), ("aligner", 24)])
def test_a_killed_run_ends_where_an_undisturbed_one_does(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, epochs: int
) -> None:
    make = request.getfixturevalue(f"{kind}_config")
    words = [f"run.epochs={epochs}", "run.checkpoint_every=1", "run.threads=1", "run.ema_decay=0.9"]
    words += ["model.dropout=0.1", "data.workers=1"]  # a process that fetches ahead
    plain = train(make(*words))

    disturbed = tmp_path / "disturbed"
    config = make(*words, f"run.output={disturbed}")
    file = tmp_path / "disturbed.yaml"
    save_config(config, file)
    command = [sys.executable, "-m", "faceflow_ml", "train", kind, "--config", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (disturbed / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed_at = load_checkpoint(disturbed / "last.ckpt")["global_step"]
    # It may go on with other settings of the machine, which change nothing of what it learns.
    resumed = train(make(*words, f"run.output={disturbed}", "data.workers=2", "run.log_every=7"))

    assert killed_at < plain.steps == resumed.steps
    expected = load_checkpoint(plain.last_checkpoint)["state_dict"]
    found = load_checkpoint(resumed.last_checkpoint)["state_dict"]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("compiler", [True, False])
def test_training_is_compiled_where_there_is_a_compiler(
    embedder_config: MakeEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    compiler: bool,
) -> None:
    """The images have none."""
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda _: compiled.append(1))
    monkeypatch.setattr(trainer, "_callbacks", _stop)
    monkeypatch.setenv("PATH", str(tmp_path))
    if compiler:
        for name in ("gcc", "g++"):
            (tmp_path / name).touch(mode=0o755)
    with pytest.raises(_Far):
        train(embedder_config("run.compile=true"))
    assert bool(compiled) == compiler
    assert ("there is no gcc here; training uncompiled" in caplog.text) != compiler


@pytest.mark.parametrize(
    ("variables", "leads"),
    [
        ({}, True),
        ({"NODE_RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"NODE_RANK": "1"}, False),
        ({"NODE_RANK": "0", "LOCAL_RANK": "3"}, False),
        ({"GROUP_RANK": "1", "LOCAL_RANK": "0"}, False),
    ],
)
def test_one_process_of_all_tracks(
    embedder_config: MakeEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    leads: bool,
) -> None:
    opened = []
    monkeypatch.setattr(trainer, "mlflow_logger", lambda *_: opened.append(1))
    monkeypatch.setattr(trainer, "_callbacks", _stop)
    for name in ("NODE_RANK", "GROUP_RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(_Far):
        train(embedder_config("tracking.enabled=true", f"tracking.uri=sqlite:///{tmp_path}/db"))
    assert bool(opened) == leads


class _Far(Exception):
    """Training came this far."""


def _stop(*_: object) -> None:
    raise _Far


def test_another_configuration_does_not_continue_a_run(embedder_config: MakeEmbedder) -> None:
    train(embedder_config("run.max_steps=1"))
    with pytest.raises(ConfigError, match=r"optim\.lr"):
        train(embedder_config("run.max_steps=1", "optim.lr=0.01"))


def test_the_resolved_configuration_says_what_computes_the_run_now(
    embedder_config: MakeEmbedder,
) -> None:
    train(embedder_config("run.max_steps=1", "run.threads=1"))
    config = embedder_config("run.max_steps=1", "run.threads=2")
    train(config)
    resolved = load_config(EmbedderConfig, config.run.output / "config.yaml", environment={})
    assert resolved == config


def test_a_run_that_has_been_moved_finds_its_best_checkpoint(
    embedder_config: MakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / "here", tmp_path / "there"]
    for place in places:
        place.mkdir()
    config = embedder_config("run.epochs=2", "run.output=run")
    monkeypatch.chdir(places[0])
    first = train(config)
    (places[0] / "run").rename(places[1] / "run")
    monkeypatch.chdir(places[1])
    again = train(config)
    assert again.steps == first.steps
    assert again.best_checkpoint.resolve().parent == places[1] / "run"
    assert load_checkpoint(again.best_checkpoint)["global_step"] > 0


def test_weights_carry_over_to_another_size_and_more_people(
    embedder_config: MakeEmbedder, tmp_path: Path
) -> None:
    small = train(embedder_config("run.epochs=1"))
    config = embedder_config(
        "run.max_steps=1",
        "optim.lr=1e-9",
        "optim.weight_decay=0",
        "model.input_size=112",
        "data.synthetic_people=7",
        "data.batch_size=21",
        f"run.output={tmp_path / 'larger'}",
        f"run.init_from={small.last_checkpoint}",
    )
    large = load_checkpoint(train(config).last_checkpoint)
    before = load_checkpoint(small.last_checkpoint)
    stem = "model.stem.0.weight"
    torch.testing.assert_close(large["state_dict"][stem], before["state_dict"][stem])
    names = large["faceflow"]["identities"]
    assert len(names) == 7 and set(before["faceflow"]["identities"]) < set(names)
    for i, name in enumerate(before["faceflow"]["identities"]):
        torch.testing.assert_close(
            large["state_dict"]["head.weight"][names.index(name)],
            before["state_dict"]["head.weight"][i],
        )


def test_an_embedder_learns_what_its_teachers_know(
    embedder_config: MakeEmbedder, tmp_path: Path
) -> None:
    def run(name: str, *words: str) -> TrainResult:
        size = ("model.input_size=112", "data.batch_size=36", "optim.lr=0.02")
        return train(embedder_config(*size, f"run.output={tmp_path / name}", *words))

    teacher = run("teacher", "run.epochs=1").last_checkpoint
    taught = (f"distil.teachers=[{teacher}]", "run.seed=1")
    one = run("one", "run.epochs=1", *taught)
    more = run("more", "run.epochs=25", *taught)
    assert more.metrics["train/distance"] < 0.6 * one.metrics["train/distance"]
    # What it learned from is not part of it: it exports and goes on as any other.
    kept = load_checkpoint(more.last_checkpoint)["state_dict"]
    assert kept.keys() == load_checkpoint(teacher)["state_dict"].keys()


@pytest.mark.parametrize(
    ("words", "people"), [(["data.shapes=2"], 18), (["data.shapes=1", "data.combinations=2"], 36)]
)
def test_people_made_of_others_are_people_of_their_own(
    words: list[str], people: int, embedder_config: MakeEmbedder
) -> None:
    config = embedder_config(*words, "run.epochs=1", "data.balance=0.9")
    kept = load_checkpoint(train(config).last_checkpoint)
    assert len(kept["faceflow"]["identities"]) == len(kept["state_dict"]["head.weight"]) == people


@pytest.mark.parametrize("key", ["distil.teachers=[{}]", "run.init_from={}"])
def test_missing_weights_are_told_before_anything_is_made(
    key: str, embedder_config: MakeEmbedder, tmp_path: Path
) -> None:
    config = embedder_config(key.format(tmp_path / "nobody.ckpt"))
    with pytest.raises(FaceFlowError, match=r"nobody\.ckpt"):
        train(config)
    assert not config.run.output.exists()


def test_a_loss_that_is_not_a_number_stops_with_advice(embedder_config: MakeEmbedder) -> None:
    with pytest.raises(FaceFlowError, match=r"optim\.lr"):
        train(embedder_config("optim.lr=1e30", "optim.clip_norm=null", "optim.warmup_steps=0"))


def test_mlflow_keeps_parameters_metrics_and_configuration(
    embedder_config: MakeEmbedder, tmp_path: Path
) -> None:
    import mlflow

    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    config = embedder_config("run.max_steps=2", "tracking.enabled=true", f"tracking.uri={store}")
    train(config)
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name("faceflow-embedder").experiment_id])
    assert run.data.params["optim.lr"] == "0.05"
    assert len(run.data.tags["data_fingerprint"]) == 64
    assert {"train/loss", "train/accuracy"} <= set(run.data.metrics)
    assert [a.path for a in client.list_artifacts(run.info.run_id)] == ["config.yaml"]


def test_a_run_is_nested_in_the_active_one_and_watches_the_machine(
    embedder_config: MakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        mlflow.set_experiment("weekly")
        with mlflow.start_run() as parent:
            train(
                embedder_config(
                    "run.max_steps=4",
                    "tracking.enabled=true",
                    f"tracking.uri={store}",
                    "tracking.log_checkpoint=true",
                )
            )
    finally:
        mlflow.set_tracking_uri(before)
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert run.info.status == "FINISHED"
    assert "system/cpu_utilization_percentage" in run.data.metrics
    assert [a.path for a in client.list_artifacts(run.info.run_id, "checkpoints")] == [
        f"checkpoints/{Path(run.data.tags['best_checkpoint']).name}"
    ]


def test_a_parent_run_that_is_not_there_is_an_error(
    embedder_config: MakeEmbedder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"parent_run: no run abc123"):
        train(
            embedder_config(
                "tracking.enabled=true",
                f"tracking.uri=sqlite:///{tmp_path / 'mlflow.db'}",
                "tracking.parent_run=abc123",
            )
        )


def test_sagemaker_gets_the_model(
    embedder_config: MakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    train(embedder_config("run.max_steps=1"))
    assert load_checkpoint(tmp_path / "model/best.ckpt")["faceflow"]["kind"] == "embedder"
    assert yaml.safe_load((tmp_path / "model/config.yaml").read_text())["run"]["max_steps"] == 1


def test_the_command_prints_one_json_document(
    embedder_config: MakeEmbedder, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    save_config(embedder_config("run.max_steps=1"), file)
    done = subprocess.run(
        [sys.executable, "-m", "faceflow_ml", "train", "embedder", "--config", file, "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert json.loads(done.stdout)["steps"] == 1


def test_missing_data_is_named(embedder_config: MakeEmbedder, tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="nothing-here"):
        train(embedder_config(f"data.train={tmp_path / 'nothing-here'}"))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_files_that_are_no_checkpoints(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.ckpt"
    file.write_bytes(content)
    with pytest.raises(FaceFlowError, match=r"x\.ckpt"):
        load_checkpoint(file)


def test_an_embedder_may_see_faces_placed_as_in_use(
    embedder_config: Callable[..., EmbedderConfig],
) -> None:
    """By the aligner of the default weights, and moved no further than configured."""
    from faceflow_ml.training.embedder import EmbedderData

    words = ["data.synthetic_people=3", "data.synthetic_faces=2"]
    caches, batches = [], []
    for more in ([], ["data.aligner=aligner"], ["data.aligner=aligner", "data.jitter=0"]):
        config = embedder_config(*words, *more)
        data = EmbedderData(config.data, 112, 0)
        data.prepare()
        caches.append(data.train_cache)
        batches.append(data.train_dataset().__getitems__([(0, i) for i in range(6)])[0])
    plain, placed, still = caches
    aligner = FaceAligner.default()
    assert aligner is not None
    assert (placed.images == aligner.place(plain.images[:])).all()
    assert placed.folder == still.folder != plain.folder
    assert (batches[1] != batches[2]).any()
