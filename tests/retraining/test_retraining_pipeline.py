"""The weekly definition executed here: skipped and why, or corrected people in the training."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceflow_ml.data.identity_sources import read_identities
from faceflow_ml.data.parquet import read_identity_shards
from faceflow_ml.data.synthetic_shards import synthetic_identity_shard
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.training.config import EmbedderDataConfig
from pipelines.definition.check import all_steps
from pipelines.local.execute import Execution, merge_parameters
from pipelines.local.state import ExecutionState, begin
from pipelines.retraining.place import read_place
from pipelines.steps.corrections import mix_corrections
from tests.pipelines import test_gate
from tests.pipelines.small import Registered, home
from tests.pipelines.test_retraining_definition import DEFINITION

from .conftest import Export

OWN = {"CheckCorrections", "Skip", "MixCorrections", "RememberCorrections"}
Run = Callable[[int], tuple[ExecutionState, Registered]]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Shards of the data: two fictional people."""
    folder = tmp_path / "faces"
    synthetic_identity_shard(2, 2, 1, folder).rename(folder / "train.parquet")
    return folder


@pytest.fixture
def place(export: Export, tmp_path: Path) -> Path:
    """Corrections of three users: one consents, one does not, one was erased since."""
    export.users |= {"u2": False, "u3": True}
    for number in range(3):
        export.say("confirm", "same", export.person(number, f"p{number}"))
    for number, user in ((3, "u2"), (4, "u3")):
        export.say("confirm", "same", export.person(number, "p", user), user=user)
    folder = tmp_path / "corrections"
    export.write(folder / "export")
    (folder / "leave-out.txt").write_text("u3\n")
    return folder


@pytest.fixture
def run(place: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Execute the weekly definition: its own steps for real, with stand-ins for the others."""
    programs = ["python", os.fspath(test_gate.PROGRAMS)]
    document = copy.deepcopy(DEFINITION)
    for step in all_steps(document["Steps"]):
        application = step["Arguments"].get("AppSpecification", {})
        if "ContainerEntrypoint" in application and step["Name"] not in OWN:
            application["ContainerEntrypoint"] = programs
    reports = {kind: test_gate.report_of(kind, 0.9, None) for kind in ("detector", "embedder")}
    monkeypatch.setenv("REPORTS", json.dumps(reports))
    monkeypatch.setenv("FACES", str(faces))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))

    def execute(needed: int) -> tuple[ExecutionState, Registered]:
        registered = Registered()
        made = home(tmp_path, registered)
        made = replace(made, machine=replace(made.machine, images={"faceflow-": programs}))
        given = {
            "CorrectionsUri": place.as_uri(),
            "CorrectionsNeeded": str(needed),
            "DataUri": faces.as_uri(),
        }
        state, folder = begin(document, "weekly", merge_parameters(document, given), tmp_path)
        return Execution(document, state, folder, made).run(), registered

    return execute


def test_too_little_is_a_success_that_says_why_and_enough_is_trained_on(
    run: Run, place: Path, tmp_path: Path, export: Export
) -> None:
    state, registered = run(4)
    assert state.status == "Succeeded", state.failure
    assert set(state.steps) == {"CheckCorrections", "EnoughCorrections", "Skip"}
    reason = "skipped: 3 new corrections, 4 are needed"
    assert state.steps["Skip"].properties["ExitMessage"] == reason
    assert registered.requests == {} and not (place / "trained").exists()

    state, registered = run(3)
    assert state.status == "Succeeded", state.failure
    assert len(registered.requests) == 2
    outputs = state.steps["MixCorrections"].properties["ProcessingOutputConfig"]["Outputs"]
    train = home(tmp_path).machine.store.path(outputs["train"]["S3Output"]["S3Uri"])
    channel = tmp_path / "work/TrainEmbedder/opt/ml/input/data/train"
    assert {file.name for file in channel.iterdir()} == {file.name for file in train.iterdir()}

    # The training's own way from its channel to its cache.
    from faceflow_ml.training.embedder import EmbedderData

    data = EmbedderData(EmbedderDataConfig(train=channel, cache=tmp_path / "cache"), 112, 0)
    data.prepare()
    cache = data.train_cache
    corrected = [name for name in cache.names if name.startswith("corrections/")]
    assert corrected and all(name.startswith("corrections/u1-") for name in corrected)
    assert len(cache.names) == len(corrected) + 2
    label = cache.names.index(corrected[0])
    member = corrected[0].removeprefix("corrections/u1-")
    row = export.rows[[face["face"] for face in export.faces].index(member)]
    (person,) = {int(export.cast.people[row])}
    wanted = export.cast.crops[export.cast.people == person].astype(np.float32)
    for picture in cache.images[cache.labels == label].astype(np.float32):
        # As it was exported, but for WebP's losses.
        assert min(float(np.abs(picture - one).mean()) for one in wanted) < 4.0

    # They are not new any more.
    state, registered = run(1)
    reason = "skipped: 0 new corrections, 1 are needed"
    assert state.steps["Skip"].properties["ExitMessage"] == reason


def mixed(place: Path, faces: Path, out: Path, seen: str | None = None) -> Path:
    seen = seen or read_place(place).fingerprint
    mix_corrections(place, faces, out / "nobody", out, fingerprint=seen, least_faces=2)
    return out / "train"


def test_the_hardest_come_first_and_the_data_follow(
    place: Path, faces: Path, tmp_path: Path, export: Export
) -> None:
    # Of one person the embedder is made unsure: her vectors point anywhere.
    rng = np.random.default_rng(0)
    export.cast = replace(export.cast, vectors=export.cast.vectors.copy())
    hard = {face["face"] for face in export.faces if face["person"] == "p1"}
    for k, face in enumerate(export.faces):
        if face["face"] in hard:
            vector = rng.normal(size=512).astype(np.float32)
            export.cast.vectors[export.rows[k]] = vector / np.linalg.norm(vector)
    export.write(place / "export")
    train = mixed(place, faces, tmp_path / "out")
    samples = read_identities(train, "train")
    first = {sample.name.rpartition("/")[2] for sample in samples[:6]}
    assert first == hard
    assert [sample.source for sample in samples[-4:]] != ["corrections"] * 4
    assert len(read_identity_shards(faces)) == 4
    limited = read_identities(train, "train", limit=6)
    assert {sample.name.rpartition("/")[2] for sample in limited} == hard


def test_corrections_that_change_under_way_are_refused(
    place: Path, faces: Path, tmp_path: Path
) -> None:
    seen = read_place(place).fingerprint
    (place / "leave-out.txt").write_text("u3\nu1\n")  # erased after the gate looked
    with pytest.raises(FaceFlowError, match="others than those that the gate saw"):
        mixed(place, faces, tmp_path / "out", seen)


def test_what_was_mixed_is_not_mixed_again(place: Path, faces: Path, tmp_path: Path) -> None:
    train = mixed(place, faces, tmp_path / "out")
    with pytest.raises(FaceFlowError, match="corrected people are in the data too"):
        mixed(place, train, tmp_path / "again")
