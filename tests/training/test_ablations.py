"""`bench ablations`: the file, trainings of fictional people, kills, failures, MLflow, the page."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import torch
import yaml
from click.testing import Result
from typer.testing import CliRunner

from faceflow_ml.cli import app
from faceflow_ml.data.synthetic_shards import synthetic_photo_shard
from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.evaluation.detection import match_detections
from faceflow_ml.evaluation.reports import DataUsed, environment, now
from faceflow_ml.evaluation.run_detection import detector_metrics
from faceflow_ml.training import detector as detector_training
from faceflow_ml.training.ablations import run as ablations_run
from faceflow_ml.training.ablations import trial as ablations_trial
from faceflow_ml.training.ablations.page import least_difference, render_ablations
from faceflow_ml.training.ablations.plan import plan_trials, read_plan
from faceflow_ml.training.ablations.run import run_ablations
from faceflow_ml.training.ablations.trial import TrialResult, run_trial
from faceflow_ml.training.checkpoints import load_checkpoint

ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]

VARIANTS = {
    "no-mosaic": {"asks": "Are mosaics worth it?", "overrides": ["data.mosaic=0.0"]},
    "giou": {"asks": "Does another box loss do?", "overrides": ["loss.box_kind=giou"]},
}


@pytest.fixture
def faceflow() -> Run:
    """Run ``faceflow-ml`` in this process."""

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fictional photos: a cache of those to train on, and ``detection/`` as in research data."""
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "detection").mkdir()
    for seed in (0, 1):
        synthetic_photo_shard(4, seed, folder / "cache")
    shard = synthetic_photo_shard(5, 7, folder / "cache")
    shutil.copy(shard, folder / "detection" / "val.parquet")
    shutil.copy(synthetic_photo_shard(4, 0, folder / "cache"), folder / "detection/train.parquet")
    return folder


@pytest.fixture
def ablations(tmp_path: Path, rendered: Path) -> Callable[..., Path]:
    """A factory of files of ablations with a base of two steps."""

    def make(**changes: object) -> Path:
        base = {
            "data": {
                "val": str(rendered / "detection" / "val.parquet"),
                "cache": str(rendered / "cache"),
                "synthetic_photos": 4,
                "size": 64,
                "val_size": 128,
                "batch_size": 2,
                "workers": 0,
                "mosaic": 0.5,
            },
            "model": {"name": "mobilenetv3_fpn_tiny"},
            "optim": {"name": "adamw", "lr": 0.005, "warmup_steps": 1},
            "run": {
                "output": str(tmp_path / "runs"),
                "epochs": 1,
                "precision": "32-true",
                "ema_decay": None,
                "checkpoint_every": 1,
                "accelerator": "cpu",
                "threads": 1,
            },
            "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db", "system_metrics": False},
        }
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
        plan = {"base": "base.yaml", "seeds": [0, 1], "photos": 3, "variants": VARIANTS} | changes
        file = tmp_path / "plan.yaml"
        file.write_text(yaml.safe_dump(plan, sort_keys=False))
        return file

    return make


def test_trials_are_recorded_nested_and_not_trained_twice(
    ablations: Callable[..., Path],
    faceflow: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, page = ablations(), tmp_path / "docs" / "ablations.md"
    done = faceflow("bench", "ablations", file, "--out", page, "--json")
    assert done.exit_code == 0, done.output
    results = json.loads(done.stdout)["results"]
    assert [(r["variant"], r["seed"]) for r in results] == [
        *(("base", 0), ("base", 1)),
        *(("no-mosaic", 0), ("giou", 0)),
    ]
    assert {r["steps"] for r in results} == {2}
    assert {r["metrics"]["photos"] for r in results} == {3}

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = (e for e in client.search_experiments() if e.name == "faceflow-ablations")
    runs = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    parent = runs.pop("plan")
    assert set(runs) == {"base-seed0", "base-seed1", "no-mosaic-seed0", "giou-seed0"}
    for result in results:
        run = runs[f"{result['variant']}-seed{result['seed']}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["measured_fingerprint"] == result["measured"]["fingerprint"]
        assert run.data.tags["data_fingerprint"].startswith("detection-")
        assert (
            run.data.metrics["measured/average_precision"]
            == (result["metrics"]["average_precision"])
        )
    assert runs["no-mosaic-seed0"].data.params["data.mosaic"] == "0.0"
    assert runs["giou-seed0"].data.params["loss.box_kind"] == "giou"
    assert parent.info.status == "FINISHED"
    kept = [a.path for a in client.list_artifacts(parent.info.run_id)]
    assert kept == ["ablations.md", "plan.yaml"]

    text = page.read_text(encoding="utf-8")
    assert "Are mosaics worth it?" in text and "Without a result" not in text
    base = [r["metrics"]["average_precision"] for r in results[:2]]
    assert f"| base | 2 | {statistics.fmean(base):.3f} ± {statistics.stdev(base):.3f} |" in text
    difference = results[2]["metrics"]["average_precision"] - statistics.fmean(base)
    assert re.search(rf"\| no-mosaic \| 1 \| [\d.]+ \(\**{re.escape(f'{difference:+.3f}')}", text)

    monkeypatch.setattr(ablations_run, "run_trial", _refuse)
    again = faceflow("bench", "ablations", file, "--json")
    assert json.loads(again.stdout)["results"] == results


def _refuse(*_: object) -> TrialResult:
    raise AssertionError("trained again")


def test_what_changed_is_trained_and_the_rest_is_not(
    ablations: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, rendered: Path
) -> None:
    file = ablations()
    plan = read_plan(file)
    before = {t.name: t.key for t in plan_trials(plan, file).trials}
    plan.variants["no-mosaic"].overrides.append("optim.lr=0.001")
    after = {t.name: t.key for t in plan_trials(plan, file).trials}
    assert {name for name in before if before[name] != after[name]} == {"no-mosaic (seed 0)"}
    moved = plan_trials(plan, file, ["run.output=elsewhere", "data.cache=other"])
    assert {t.name: t.key for t in moved.trials} == after
    other = plan_trials(plan, file, data=rendered)
    assert other.train is not None and other.train.name == "detection"
    assert not {t.key for t in other.trials} & set(after.values())
    assert all(t.config.data.val is None for t in other.trials)


def test_a_failing_variant_is_reported_and_tried_again(
    ablations: Callable[..., Path], faceflow: Run, tmp_path: Path
) -> None:
    file, page = (
        ablations(variants={"hot": {"asks": "?", "overrides": ["optim.lr=1e30"]}}),
        (tmp_path / "page.md"),
    )
    words = ["optim.clip_norm=null", "optim.warmup_steps=0", "tracking.enabled=false"]
    words += ["run.epochs=3"]
    done = faceflow("bench", "ablations", file, *words, "--out", page)
    assert done.exit_code == 1
    assert "1 trainings failed: hot (seed 0)" in done.stderr
    text = page.read_text(encoding="utf-8")
    assert "- hot (seed 0): failed: the loss is" in text
    assert re.search(r"\| base \| 2 \| [\d.]+ ±", text)
    result = run_ablations(file, words, train=False)
    assert result.missing == ("hot (seed 0)",) and len(result.results) == 2
    assert result.mlflow_run is None


def test_a_killed_command_goes_on_where_it_was(
    ablations: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ablations(variants={"giou": VARIANTS["giou"]})
    words = ["run.epochs=15", "tracking.enabled=false"]
    trials = plan_trials(read_plan(file), file, words).trials
    command = [sys.executable, "-m", "faceflow_ml", "bench", "ablations", str(file), *words]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = trials[1].folder / "last.ckpt"
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (trials[0].folder / "result.json").is_file()
    assert not (trials[1].folder / "result.json").exists()
    killed_at = load_checkpoint(checkpoint)["global_step"]
    assert 0 < killed_at < 30

    trained = []

    def spy(trial: object, *arguments: object) -> TrialResult:
        trained.append(trial.name)  # type: ignore[attr-defined]
        return run_trial(trial, *arguments)  # type: ignore[arg-type]

    started: list[int] = []
    step = detector_training.DetectorModule.training_step

    def first_step(self: detector_training.DetectorModule, *arguments: object) -> torch.Tensor:
        started.append(self.trainer.global_step)
        return step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ablations_run, "run_trial", spy)
    monkeypatch.setattr(detector_training.DetectorModule, "training_step", first_step)
    result = run_ablations(file, words)
    assert trained == [trial.name for trial in trials[1:]]
    assert started[0] == killed_at
    assert [r.steps for r in result.results] == [30] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="process groups of POSIX")
def test_a_signal_to_all_its_processes_ends_the_command(
    ablations: Callable[..., Path], tmp_path: Path
) -> None:
    """The loader's workers end with it, which is no failure of the trial: none is begun after."""
    file = ablations(variants={"giou": VARIANTS["giou"]})
    words = ["run.epochs=1000", "tracking.enabled=false", "data.workers=1"]
    trials = plan_trials(read_plan(file), file, words).trials
    command = [sys.executable, "-m", "faceflow_ml", "bench", "ablations", str(file), *words]
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    checkpoint = trials[0].folder / "last.ckpt"
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGTERM)
    try:
        assert process.wait(timeout=120) == 143, log.read_text(encoding="utf-8")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert checkpoint.exists()
    assert "2 of 3" not in log.read_text(encoding="utf-8")


def test_a_process_killed_before_measuring_does_not_train_again(
    ablations: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ablations(variants={"giou": VARIANTS["giou"]})
    first = run_ablations(file, ["tracking.enabled=false"])
    for result in Path(first.base.run.output).rglob("result.json"):
        result.unlink()
    monkeypatch.setattr(detector_training.DetectorModule, "training_step", _refuse)
    again = run_ablations(file, ["tracking.enabled=false"])
    assert [r.metrics for r in again.results] == [r.metrics for r in first.results]
    assert again.failures == ()


def test_photos_are_drawn_at_random_and_always_the_same() -> None:
    photos = list(range(100))
    drawn = ablations_trial.draw_photos(photos, 20)  # type: ignore[arg-type]
    assert drawn == ablations_trial.draw_photos(photos, 20)  # type: ignore[arg-type]
    assert len(set(drawn)) == 20 and drawn != photos[:20]  # type: ignore[comparison-overlap]
    assert ablations_trial.draw_photos(photos, 200) == photos  # type: ignore[arg-type]


def test_differences_are_held_to_the_spread_of_the_base() -> None:
    # t of 3 - 1 degrees of freedom at 97.5% is 4.3027.
    expected = 4.3027 * 0.02 * math.sqrt(1 / 3 + 1 / 2)
    assert least_difference([0.50, 0.52, 0.54], 2) == pytest.approx(expected, rel=1e-4)
    assert least_difference([0.50], 2) is None


def made_up(variant: str, seed: int, ap: float) -> TrialResult:
    """A result of a detector that found nothing, but for its average precision."""
    nothing = detector_metrics(match_detections([], []), [], [], score_threshold=0.5)
    return TrialResult(
        variant=variant,
        seed=seed,
        key="key",
        created=now(),
        environment=environment(),
        measured=DataUsed("val", "0" * 64),
        steps=200,
        architecture="mobilenetv3_fpn_tiny",
        parameters=1000,
        metrics=replace(nothing, average_precision=ap),
        mlflow_run=None,
    )


def test_the_page_marks_what_is_more_than_noise(ablations: Callable[..., Path]) -> None:
    found = run_ablations(ablations(), ["tracking.enabled=false"], train=False)
    assert found.results == () and len(found.missing) == 4
    assert "- giou (seed 0): not trained yet" in render_ablations(found)
    base = (made_up("base", 0, 0.50), made_up("base", 1, 0.52))
    variants = (made_up("no-mosaic", 0, 0.99), made_up("giou", 0, 0.53))
    page = render_ablations(replace(found, results=base + variants, missing=()))
    assert "| base | 2 | 0.510 ± 0.014 |" in page
    assert "| no-mosaic | 1 | 0.990 (**+0.480**) |" in page
    assert "| giou | 1 | 0.530 (+0.020) |" in page
    assert page.count("| none |") == 3  # nobody's landmarks
    assert "200 steps of 2 crops of 64 px" in page
    one = render_ablations(replace(found, results=base[:1] + variants))
    assert "nothing tells yet" in one and "(**" not in one


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [1]}, "seeds"),
        ({"seeds": [1, 1]}, "seeds differ"),
        ({"repeats": 3}, "there are 2 seeds"),
        ({"base": "absent.yaml"}, "absent.yaml"),
        ({"variants": {"x": {"asks": "?"}}}, "overrides"),
        ({"variants": {"base": {"asks": "?", "overrides": ["loss.box=1"]}}}, "name of the base"),
        ({"variants": {"x": {"asks": "?", "overrides": ["loss.bix=1"]}}}, "x: .*loss.bix"),
        (
            {"variants": {"x": {"asks": "?", "overrides": ["loss.box_kind=ciou"]}}},
            "loss.box_kind",
        ),
        ({"variant": {}}, "there is no variant"),
    ],
)
def test_bad_files_are_refused_before_anything_is_trained(
    ablations: Callable[..., Path],
    faceflow: Run,
    tmp_path: Path,
    changes: dict[str, object],
    message: str,
) -> None:
    done = faceflow("bench", "ablations", ablations(**changes))
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.search(message, done.stderr.replace("\n", " ")), done.stderr
    assert not (tmp_path / "runs").exists()


def test_there_must_be_photos_to_measure_on(ablations: Callable[..., Path]) -> None:
    file = ablations()
    with pytest.raises(ConfigError, match=r"data\.val"):
        run_ablations(file, ["data.val=null"])
    with pytest.raises(FaceFlowError, match="no such data"):
        run_ablations(file, data=file.parent)


def test_the_files_of_the_project_are_sound() -> None:
    for file in sorted((ROOT / "configs" / "ablations").glob("detector.yaml")):
        plan = read_plan(file)
        assert len(plan.seeds) >= 3
        trials = plan_trials(plan, file, [f"data.train={ROOT}/configs/ablations"])
        changed = {t.variant for t in trials.trials}
        assert {
            "simota",
            "giou",
            "focal",
            "small",
            "no-mosaic",
            "no-synthetic",
            "no-ema",
        } <= changed
        assert len({t.key for t in trials.trials}) == len(trials.trials)
