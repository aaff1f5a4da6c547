"""Deployment on one machine: real processes over HTTP and MLflow's registry."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from faceflow_ml import FaceDetector, FaceEmbedder
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.evaluation.reports import update_manifest
from faceflow_ml.inference.pretrained import Manifest, read_manifest
from pipelines.archives import pack
from pipelines.deployment.weights import keep_weights, merge_weights
from pipelines.mlflow_registry import CHALLENGER, PREVIOUS, MlflowRegistry
from pipelines.registry import PENDING, REJECTED
from tests.pipelines.deploying import GROUP, Place, answers


def test_the_first_model_is_deployed_when_it_is_approved(make_place: Callable[..., Place]) -> None:
    place = make_place()
    version = place.register("a" * 16)
    assert place.registry.by_alias(GROUP, CHALLENGER) == version
    with pytest.raises(FaceFlowError, match="PendingManualApproval: only approved"):
        place.deployer.deploy("embedder")
    assert place.registry.champion(GROUP) is None
    done = place.deployer.deploy("embedder", approve=True)
    assert (done.action, done.contract_id) == ("created", "a" * 16)
    assert answers(done.endpoint) == "a" * 16
    assert place.champion() == "a" * 16
    assert place.registry.by_alias(GROUP, CHALLENGER) is None
    again = place.deployer.deploy("embedder")
    assert (again.action, again.endpoint) == ("unchanged", done.endpoint)
    (status,) = place.deployer.status()
    assert (status["alive"], status["contract_id"]) == (True, "a" * 16)


def test_a_new_contract_runs_the_job_and_a_rollback_restores_the_old_one(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    log = tmp_path / "reembedded"
    job = (
        "import os; e = os.environ; "
        f"open({str(log)!r}, 'a').write(e['FACEFLOW_OLD_CONTRACT_ID'] + '>' + "
        "e['FACEFLOW_NEW_CONTRACT_ID'] + ' ' + e['FACEFLOW_WEIGHTS'] + '\\n')"
    )
    command = json.dumps([sys.executable, "-c", job])
    place = make_place(f"deploy.after_contract_change={command}")

    def serving() -> str:
        """The embedder of the weights that the application is to read."""
        folder = place.root / "weights/serving"
        manifest = read_manifest(folder)
        (file,) = folder.glob("embedder-*.onnx")  # nothing is left over
        entry = manifest.models["embedder"][manifest.default["embedder"]]
        assert entry.file == file.name
        assert FaceDetector.from_pretrained(folder).contract_id == detector
        return file.read_text()

    detector = FaceDetector.from_pretrained().contract_id
    shipped = FaceEmbedder.from_pretrained().contract_id
    place.register("a" * 16)
    first = place.deployer.deploy("embedder", approve=True)
    # Albums that there are have vectors of what is shipped.
    assert (first.previous_contract_id, first.contract_changed) == (shipped, True)
    assert serving() == "a" * 16
    place.register("b" * 16)
    second = place.deployer.deploy("embedder", approve=True)
    assert (second.action, second.contract_changed) == ("updated", True)
    assert serving() == "b" * 16
    assert second.previous_contract_id == "a" * 16
    assert answers(second.endpoint) == "b" * 16
    assert answers(first.endpoint) == "a" * 16  # kept for the way back
    assert place.champion() == "b" * 16
    previous = place.registry.by_alias(GROUP, PREVIOUS)
    assert previous is not None
    assert previous.contract_id == "a" * 16

    back = place.deployer.rollback("embedder")
    assert (back.action, back.contract_id, back.endpoint) == (
        "rolled back",
        "a" * 16,
        first.endpoint,
    )
    assert place.champion() == "a" * 16
    assert place.registry.get(GROUP, second.version).status == REJECTED
    assert serving() == "a" * 16
    assert log.read_text().splitlines() == [
        f"{shipped}>{'a' * 16} {place.root / 'weights' / ('a' * 16)}",
        f"{'a' * 16}>{'b' * 16} {place.root / 'weights' / ('b' * 16)}",
        f"{'b' * 16}>{'a' * 16} {place.root / 'weights' / ('a' * 16)}",
    ]
    # The job finds both kinds of models there: the shipped detector until another is deployed.
    weights = place.root / "weights" / ("b" * 16)
    manifest = read_manifest(weights)
    assert manifest.models["embedder"]["fake"].contract_id == "b" * 16
    assert (weights / manifest.models["embedder"]["fake"].file).read_text() == "b" * 16
    assert FaceDetector.from_pretrained(weights).contract_id == detector
    with pytest.raises(FaceFlowError):
        answers(second.endpoint)
    with pytest.raises(FaceFlowError, match="no earlier version"):
        place.deployer.rollback("embedder")
    with pytest.raises(FaceFlowError, match="Rejected"):
        place.deployer.deploy("embedder", second.version)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"dead": True}, "the model cannot be loaded"),
        ({"broken": True}, "fails 4 of 4 requests"),
        ({"length": 2.0}, "expected one unit vector"),
        ({"length": float("nan")}, "numbers that are not finite"),
        ({"contract_id": "c" * 16}, "answers with contract cccccccccccccccc"),
    ],
)
def test_a_bad_server_replaces_nobody(
    make_place: Callable[..., Place], model: dict[str, Any], reason: str
) -> None:
    place = make_place()
    place.register("a" * 16)
    first = place.deployer.deploy("embedder", approve=True)
    place.register("b" * 16, model)
    with pytest.raises(FaceFlowError, match=reason):
        place.deployer.deploy("embedder", approve=True)
    assert place.champion() == "a" * 16
    assert answers(first.endpoint) == "a" * 16
    state = json.loads((place.root / "deployment.json").read_text())["embedder"]
    assert state["active"]["contract_id"] == "a" * 16


def test_when_the_job_fails_the_old_contract_serves_on(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    job = f"import os, sys; sys.exit(0 if os.path.exists({str(ready)!r}) else 7)"
    place = make_place(f"deploy.after_contract_change={json.dumps([sys.executable, '-c', job])}")
    place.register("a" * 16)
    ready.touch()
    first = place.deployer.deploy("embedder", approve=True)
    ready.unlink()
    place.register("b" * 16)
    with pytest.raises(FaceFlowError, match="ended with code 7"):
        place.deployer.deploy("embedder", approve=True)
    assert place.champion() == "a" * 16
    assert answers(first.endpoint) == "a" * 16
    ready.touch()
    assert place.deployer.deploy("embedder").contract_id == "b" * 16
    assert place.champion() == "b" * 16


def test_registering_twice_with_one_key_makes_one_version(
    make_place: Callable[..., Place],
) -> None:
    place = make_place()
    first = place.register("a" * 16)
    client = MlflowClient(place.config.tracking_uri())
    client.delete_registered_model_alias(GROUP, CHALLENGER)  # as if killed before it was set
    assert place.register("a" * 16).version == first.version
    assert place.registry.by_alias(GROUP, CHALLENGER) == first
    folder = place.registry.download(first, place.root / "copy")
    assert json.loads((folder / "fake.json").read_text())["contract_id"] == "a" * 16


def test_servers_that_were_stopped_start_again(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.register("a" * 16)
    place.deployer.deploy("embedder", approve=True)
    place.register("b" * 16)
    place.deployer.deploy("embedder", approve=True)
    assert place.deployer.stop() == 2
    assert not place.deployer.status()[0]["alive"]
    back = place.deployer.rollback("embedder")
    assert answers(back.endpoint) == "a" * 16
    place.deployer.stop()
    again = place.deployer.deploy("embedder")
    assert answers(again.endpoint) == "a" * 16


def test_an_earlier_version_can_be_deployed_by_its_number(
    make_place: Callable[..., Place],
) -> None:
    place = make_place()
    first = place.register("a" * 16)
    old = place.deployer.deploy("embedder", approve=True)
    place.register("b" * 16)
    place.deployer.deploy("embedder", approve=True)
    again = place.deployer.deploy("embedder", first.version)
    assert answers(again.endpoint) == place.champion() == "a" * 16
    with pytest.raises(FaceFlowError):
        answers(old.endpoint)  # no server is left over
    assert place.deployer.rollback("embedder").contract_id == "b" * 16


def test_there_is_nothing_to_deploy_before_the_first_run(make_place: Callable[..., Place]) -> None:
    place = make_place()
    with pytest.raises(FaceFlowError, match="run the pipeline first"):
        place.deployer.deploy("embedder")
    with pytest.raises(FaceFlowError, match="no earlier version"):
        place.deployer.rollback("embedder")
    assert place.deployer.status() == []


def test_a_registry_that_does_not_answer_is_not_an_empty_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        registry = MlflowRegistry(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(FaceFlowError, match="does not tell of"):
            registry.champion(GROUP)
        with pytest.raises(FaceFlowError, match="does not tell of"):
            registry.get(GROUP, 1)


def test_steps_that_register_at_the_same_time_share_an_experiment(
    make_place: Callable[..., Place],
) -> None:
    place = make_place()
    with ThreadPoolExecutor(4) as pool:
        found = {*pool.map(place.registry.experiment, ["shared"] * 8)}
    assert len(found) == 1


def test_what_is_registered_loads_as_a_model_and_as_weights(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pipeline packs it, with one kind of model: the other one is the default one."""
    import mlflow

    shipped = FaceEmbedder.from_pretrained()
    place = make_place()
    weights, packed = tmp_path / "weights", tmp_path / "packed"
    merge_weights({}, weights)
    entry = read_manifest(weights).models["embedder"]
    only = Manifest(version=1, models={"embedder": entry}, default={"embedder": next(iter(entry))})
    (weights / "manifest.json").write_text(only.model_dump_json())
    names = ["manifest.json", *(model.file for model in entry.values())]
    pack(weights, packed / "model.tar.gz", names)
    version = place.registry.register(
        GROUP,
        packed / "model.tar.gz",
        key="real",
        model_data_url="s3://bucket/model.tar.gz",
        status=PENDING,
        properties={"contract_id": shipped.contract_id},
        evaluation={},
        card="{}",
        experiment="tests",
    )
    place.registry.set_champion(version, None)
    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.config.tracking_uri())
    mlflow.set_tracking_uri(place.config.tracking_uri())
    try:
        model = mlflow.pyfunc.load_model(f"models:/{GROUP}@champion")
        found = model.predict(model.input_example)
        embedder = FaceEmbedder.from_pretrained(f"models:/{GROUP}@champion")
    finally:
        mlflow.set_tracking_uri(before)
    assert len(found) > 0 and len(found["embedding"][0]) == 512
    assert model.metadata.metadata == {"embedder_contract_id": shipped.contract_id}
    assert embedder.contract_id == shipped.contract_id
    assert embedder.match_threshold == shipped.match_threshold


def test_equal_weights_that_are_calibrated_anew_are_kept_anew(tmp_path: Path) -> None:
    first, second, out = (tmp_path / name for name in ("first", "second", "out"))
    for folder in (first, second):
        merge_weights({}, folder)
    contract_id = FaceEmbedder.from_pretrained().contract_id
    update_manifest("embedder", contract_id, calibration={"match_threshold": 0.5}, folder=second)
    for folder in (first, second):
        keep_weights({"embedder": folder}, out)
        wanted = FaceEmbedder.from_pretrained(folder).match_threshold
        assert FaceEmbedder.from_pretrained(out).match_threshold == wanted
    made = (out / "manifest.json").stat().st_mtime_ns
    keep_weights({"embedder": second}, out)
    assert (out / "manifest.json").stat().st_mtime_ns == made  # nothing to do
