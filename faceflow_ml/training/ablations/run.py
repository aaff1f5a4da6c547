"""Run the ablations of a file, and record them in MLflow: a parent run, a nested one a trial."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faceflow_ml.album.lock import folder_lock
from faceflow_ml.evaluation.data_used import samples_used
from faceflow_ml.evaluation.photo_sources import read_labelled_photos
from faceflow_ml.evaluation.reports import DataUsed, now
from faceflow_ml.files import atomic_write_text
from faceflow_ml.tracking.stores import tracking_uri
from faceflow_ml.training.ablations.plan import (
    AblationPlan,
    Trial,
    Trials,
    plan_trials,
    read_plan,
)
from faceflow_ml.training.ablations.trial import (
    TrialResult,
    draw_photos,
    read_result,
    run_trial,
)
from faceflow_ml.training.config import DetectorConfig
from faceflow_ml.training.tracking import RUN_ID_FILE

if TYPE_CHECKING:
    from mlflow import MlflowClient

_log = logging.getLogger(__name__)
EXPERIMENT = "faceflow-ablations"


@dataclass(frozen=True)
class Failure:
    """A trial that failed, and why, in one line."""

    trial: str
    reason: str


@dataclass(frozen=True)
class Ablations:
    """The results of a file of ablations, as far as there are.

    base: the configuration that every variant changes. train: its training photos; None with
    fictional people alone. measured: the photos measured on, ``photos`` of the ``photos_held``
    that there are. results: of finished trials, in the plan's order. failures: of this run.
    missing: names of trials that were neither finished nor failed. mlflow_run: the parent run.
    """

    created: str
    file: str
    plan: AblationPlan
    base: DetectorConfig
    train: DataUsed | None
    measured: DataUsed
    photos: int
    photos_held: int
    results: tuple[TrialResult, ...]
    failures: tuple[Failure, ...]
    missing: tuple[str, ...]
    mlflow_run: str | None


def run_ablations(
    file: Path,
    words: Sequence[str] = (),
    *,
    data: Path | None = None,
    train: bool = True,
    on_result: Callable[[Ablations], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Ablations:
    """Train and measure every trial that is not finished, one after another.

    The same call goes on after a kill: a half-trained trial goes on from its checkpoint. A trial
    that fails is reported, and the others go on; the next call tries it again.

    Args:
        file: of ablations, see `AblationPlan`.
        words: ``key=value`` overrides of the base.
        data: folder of research photos, see `plan_trials`.
        train: False takes what is finished, and trains nothing.
        on_result: called after each trial with everything that is there by then.
        say: told what is done now.

    Raises:
        ConfigError: the file, an override or the tracking store is wrong.
        FaceFlowError: the photos are missing or malformed.
    """
    plan = read_plan(file)
    trials = plan_trials(plan, file, words, data)
    held = read_labelled_photos(trials.val)
    samples = draw_photos(held, plan.photos)
    measured = samples_used(trials.val, samples)
    waiting = f"Another process runs these ablations in {trials.folder}; waiting for it."
    results: dict[str, TrialResult] = {}
    failures: list[Failure] = []
    parent: str | None = None

    def state() -> Ablations:
        failed = {failure.trial for failure in failures}
        names = [trial.name for trial in trials.trials]
        return Ablations(
            created=now(),
            file=os.fspath(file.name if file.is_absolute() else file),
            plan=plan,
            base=trials.base,
            train=trials.train,
            measured=measured,
            photos=len(samples),
            photos_held=len(held),
            results=tuple(results[name] for name in names if name in results),
            failures=tuple(failures),
            missing=tuple(name for name in names if name not in results and name not in failed),
            mlflow_run=parent,
        )

    with folder_lock(trials.folder / "lock", on_wait=lambda: say(waiting)):
        for trial in trials.trials:
            if (result := read_result(trial, measured)) is not None:
                results[trial.name] = result
        parent = _parent_run(trials, file, measured, create=train)
        if not train:
            return state()
        for number, trial in enumerate(trials.trials, 1):
            if trial.name in results:
                continue
            say(f"{number} of {len(trials.trials)}: {trial.name}")
            try:
                nested = _nested(trial, parent)
                results[trial.name] = run_trial(nested, samples, measured)
                _record(nested, results[trial.name])
            except Exception as error:  # noqa: BLE001 - the other trials do without this one
                _log.error("%s failed", trial.name, exc_info=True)
                reason = " ".join(str(error).split()) or type(error).__name__
                failures.append(Failure(trial.name, reason))
            on_result(state())
        if parent is not None:
            client = _client(trials.base)
            client.set_terminated(parent, "FAILED" if failures else "FINISHED")
        return state()


def keep_page(ablations: Ablations, page: str) -> None:
    """Keep the page with the parent run, if there is one."""
    if ablations.mlflow_run is not None:
        client = _client(ablations.base)
        client.log_text(ablations.mlflow_run, page, "ablations.md")


def _client(config: DetectorConfig) -> MlflowClient:
    """Of the store that a configuration names; MLflow is of the ``train`` extra."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri(config.tracking.uri))


def _parent_run(trials: Trials, file: Path, measured: DataUsed, *, create: bool) -> str | None:
    """Id of the run that trials are nested in, the same one when the command is repeated."""
    tracking = trials.base.tracking
    if not tracking.enabled:
        return None
    from mlflow import MlflowException

    logging.getLogger("alembic").setLevel(logging.WARNING)  # one line a migration otherwise
    client = _client(trials.base)
    memory = trials.folder / RUN_ID_FILE
    if memory.is_file():
        run_id = memory.read_text(encoding="utf-8").strip()
        try:
            client.get_run(run_id)
        except MlflowException:
            pass  # of another store
        else:
            if create:
                client.update_run(run_id, status="RUNNING")
            return run_id
    if not create:
        return None
    name = tracking.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if found is None else found.experiment_id
    tags = {"measured_fingerprint": measured.fingerprint}
    if trials.train is not None:
        tags["train_fingerprint"] = trials.train.fingerprint
    run_id = str(
        client.create_run(
            experiment, tags=tags, run_name=tracking.run_name or file.stem
        ).info.run_id
    )
    atomic_write_text(memory, run_id + "\n")
    client.log_param(run_id, "file", file.name)
    client.log_param(run_id, "trials", len(trials.trials))
    client.log_artifact(run_id, str(file))
    return run_id


def _nested(trial: Trial, parent: str | None) -> Trial:
    """The trial, tracked in a run below ``parent``; places of records are no part of its key."""
    changes = {"parent_run": parent, "run_name": f"{trial.variant}-seed{trial.seed}"}
    tracking = trial.config.tracking.model_copy(update=changes)
    config = trial.config.model_copy(update={"tracking": tracking})
    return Trial(trial.variant, trial.seed, trial.key, config)


def _record(trial: Trial, result: TrialResult) -> None:
    """Put what was measured into the trial's MLflow run, beside what training put there."""
    run_id = result.mlflow_run
    if run_id is None:
        return
    client = _client(trial.config)
    for name, value in (
        ("variant", trial.variant),
        ("measured_fingerprint", result.measured.fingerprint),
    ):
        client.set_tag(run_id, name, value)
    metrics = result.metrics
    for name, number in (
        ("measured/average_precision", metrics.average_precision),
        ("measured/recall_at_1_fp_per_image", metrics.recall_at_1_fp_per_image),
        ("measured/recall_at_0_1_fp_per_image", metrics.recall_at_0_1_fp_per_image),
        ("measured/landmark_error_median", metrics.landmark_error_median),
        ("measured/parameters", result.parameters),
    ):
        if number is not None:
            client.log_metric(run_id, name, number)
