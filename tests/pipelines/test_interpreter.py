"""Small definitions, executed for real: processes, folders, references, conditions, the cache."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faceflow_ml.errors import FaceFlowError
from pipelines.local.execute import Execution, Home, merge_parameters
from pipelines.local.state import ExecutionState, begin
from tests.pipelines.small import Registered, definition, output_of, processing, report_of

OUT = "/opt/ml/processing/output/out"
MakeHome = Callable[..., Home]


def run(
    document: dict[str, Any], home: Home, root: Path, **parameters: str
) -> tuple[ExecutionState, Path]:
    state, folder = begin(document, "small", merge_parameters(document, parameters), root)
    return Execution(document, state, folder, home).run(), folder


def training(cached: bool = True) -> dict[str, Any]:
    return {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {"TrainingImage": "registry/trainer:1"},
            "HyperParameters": {"config": "small", "run.epochs": "3"},
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": output_of("Data")}
                    },
                }
            ],
            "ResourceConfig": {"InstanceCount": 1},
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
            "CheckpointConfig": {
                "S3Uri": "s3://bucket/checkpoints",
                "LocalPath": "/opt/ml/checkpoints",
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
        **({"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}} if cached else {}),
    }


def test_outputs_reach_the_steps_that_refer_to_them(tmp_path: Path, make_home: MakeHome) -> None:
    document = definition(
        # Listed before what it needs: the order is that of the references.
        processing(
            "Both",
            "combine",
            OUT,
            "/opt/ml/processing/input/a",
            "/opt/ml/processing/input/b",
            inputs={"a": output_of("A"), "b": output_of("B")},
        ),
        processing("A", "write", OUT, {"Get": "Parameters.Text"}),  # type: ignore[arg-type]
        processing("B", "write", OUT, "two"),
        Text="one",
    )
    home = make_home()
    state, folder = run(document, home, tmp_path, Text="uno")
    assert state.status == "Succeeded", state.failure
    uri = f"s3://bucket/runs/{state.execution_id}/Both/value.txt"
    assert home.machine.store.read_text(uri) == "uno+two"
    assert (folder / "steps/Both/log.txt").exists()
    assert ExecutionState.load(folder) == state


def test_a_job_sees_what_sagemaker_would_show_it(
    tmp_path: Path, make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEFLOW_WEIGHTS", str(tmp_path))
    home = make_home()
    home.machine.store.upload(_file(tmp_path / "photo.jpg", "x"), "s3://bucket/data/photo.jpg")
    document = definition(processing("Look", "layout", OUT, inputs={"data": "s3://bucket/data"}))
    state, _ = run(document, home, tmp_path)
    assert state.status == "Succeeded", state.failure
    uri = state.steps["Look"].properties["ProcessingOutputConfig"]["Outputs"]["out"]["S3Output"]
    seen = json.loads(home.machine.store.read_text(f"{uri['S3Uri']}/report.json"))
    base = tmp_path / "work/Look/opt/ml"
    assert seen["arguments"][2] == str(base / "processing/output/out")
    assert seen["place"] == str(base / "processing")
    assert seen["here"] == "yes"  # variables of this machine win
    assert seen["weights"] is None  # those of an image are its own
    assert seen["input"] == ["photo.jpg"]
    assert seen["host"]["current_host"] == "algo-1"
    assert seen["config"]["AppSpecification"]["ImageUri"] == "image"


def test_a_training_job_leaves_a_model_and_checkpoints(tmp_path: Path, make_home: MakeHome) -> None:
    home = make_home()
    state, _ = run(definition(processing("Data", "write", OUT, "x"), training()), home, tmp_path)
    assert state.status == "Succeeded", state.failure
    properties = state.steps["Train"].properties
    archive = home.machine.store.path(properties["ModelArtifacts"]["S3ModelArtifacts"])
    with tarfile.open(archive) as opened:
        model = json.load(opened.extractfile("model.json"))  # type: ignore[arg-type]
    assert model == {
        "attempts": 1,
        "hyperparameters": {"config": "small", "run.epochs": "3"},
        "train": "x",
        "host": "algo-1",
        "job": f"pipelines-{state.execution_id}-Train",
    }
    assert home.machine.store.read_text("s3://bucket/checkpoints/1/attempts") == "1"


@pytest.mark.parametrize(("limit", "chosen", "left"), [(0.5, "Yes", "No"), (0.6, "No", "Yes")])
def test_a_condition_chooses_steps(
    tmp_path: Path, make_home: MakeHome, limit: float, chosen: str, left: str
) -> None:
    document = definition(
        processing("Measure", "write", OUT, "x"),
        {
            "Name": "Check",
            "Type": "Condition",
            "Arguments": {
                "Conditions": [
                    {
                        "Type": "GreaterThanOrEqualTo",
                        "LeftValue": report_of("Measure", "number"),
                        "RightValue": {"Get": "Parameters.Limit"},
                    }
                ],
                "IfSteps": [processing("Yes", "write", OUT, "yes")],
                "ElseSteps": [processing("No", "write", OUT, "no")],
            },
        },
        Limit=limit,
    )
    state, _ = run(document, make_home(), tmp_path)
    assert state.status == "Succeeded", state.failure
    assert chosen in state.steps
    assert left not in state.steps


def test_a_fail_step_says_why(tmp_path: Path, make_home: MakeHome) -> None:
    reason = {"Std:Join": {"On": "", "Values": ["got ", report_of("Measure", "nested.n")]}}
    document = definition(
        processing("Measure", "write", OUT, "x"),
        {"Name": "Refuse", "Type": "Fail", "Arguments": {"ErrorMessage": reason}},
        processing("Never", "write", OUT, "y", inputs={"a": output_of("Measure")})
        | {"DependsOn": ["Refuse"]},
    )
    state, _ = run(document, make_home(), tmp_path)
    assert state.status == "Failed"
    assert state.failure == "Refuse: got 2"
    assert "Never" not in state.steps


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("fail", "no photos"), "no photos"),
        (("crash",), "something broke"),
        (("nonsense",), "KeyError"),
    ],
)
def test_a_failed_program_fails_its_step(
    tmp_path: Path, make_home: MakeHome, words: tuple[str, ...], reason: str
) -> None:
    document = definition(
        processing("A", *words), processing("B", "write", OUT, "b", inputs={"a": output_of("A")})
    )
    state, _ = run(document, make_home(), tmp_path)
    assert state.status == "Failed"
    assert reason in (state.steps["A"].failure or "")
    assert "B" not in state.steps


def test_data_may_be_in_a_folder_of_this_machine(tmp_path: Path, make_home: MakeHome) -> None:
    (tmp_path / "mine").mkdir()
    _file(tmp_path / "mine/photo.jpg", "x")
    uri = (tmp_path / "mine").as_uri()
    home = make_home()
    document = definition(processing("Look", "layout", OUT, inputs={"data": uri}))
    state, _ = run(document, home, tmp_path)
    assert state.status == "Succeeded", state.failure
    for wrong in ("/tmp/x", "s3://bucket/../x", "s3:///x", "file://host/x", "http://x"):
        with pytest.raises(FaceFlowError, match="not an S3 URI"):
            home.machine.store.path(wrong)


def test_a_missing_input_fails_the_step(tmp_path: Path, make_home: MakeHome) -> None:
    document = definition(processing("A", "layout", OUT, inputs={"data": "s3://bucket/nothing"}))
    state, _ = run(document, make_home(), tmp_path)
    assert "no object under s3://bucket/nothing" in (state.failure or "")


def test_a_program_is_stopped_when_its_time_is_up(
    tmp_path: Path, make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hold-a").touch()
    monkeypatch.setenv("MARKS", str(tmp_path))
    step = processing("A", "wait", OUT, "a")
    step["Arguments"]["StoppingCondition"] = {"MaxRuntimeInSeconds": 1}
    state, _ = run(definition(step), make_home(), tmp_path)
    assert "longer than 1 seconds" in (state.failure or "")


@pytest.mark.parametrize("text", ["{", '{"number": NaN}', '{"number": null}', '{"number": "0.9"}'])
def test_no_number_passes_no_gate(tmp_path: Path, make_home: MakeHome, text: str) -> None:
    document = definition(
        processing("Measure", "say", OUT, text),
        {
            "Name": "Check",
            "Type": "Condition",
            "Arguments": {
                "Conditions": [
                    {
                        "Type": "GreaterThanOrEqualTo",
                        "LeftValue": report_of("Measure", "number"),
                        "RightValue": 0.0,
                    }
                ],
                "IfSteps": [processing("Register", "write", OUT, "yes")],
                "ElseSteps": [],
            },
        },
    )
    state, _ = run(document, make_home(), tmp_path)
    assert state.status == "Failed"
    assert "Register" not in state.steps


def test_the_cache_goes_by_contents(
    tmp_path: Path, make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKS", str(tmp_path))
    document = definition(processing("Data", "write", OUT, "x"), training())
    first, _ = run(document, make_home(), tmp_path)
    again, _ = run(document, make_home(), tmp_path)
    assert {name: step.cached for name, step in again.steps.items()} == dict.fromkeys(
        ("Data", "Train"), first.execution_id
    )
    assert again.steps["Train"].properties == first.steps["Train"].properties

    # Data made anew, and the same as before: the place differs, the contents do not.
    uncached = definition(processing("Data", "write", OUT, "x", cached=False), training())
    third, _ = run(uncached, make_home(), tmp_path)
    assert third.steps["Data"].cached is None
    assert third.steps["Train"].cached == first.execution_id
    assert _marks(tmp_path, "train") == 1

    other = definition(processing("Data", "write", OUT, "y"), training())
    fourth, _ = run(other, make_home(), tmp_path)
    assert fourth.steps["Train"].cached is None
    newer, _ = run(document, make_home(code="2"), tmp_path)
    assert newer.steps["Data"].cached is None


def test_a_result_that_is_gone_or_old_is_made_again(tmp_path: Path, make_home: MakeHome) -> None:
    home = make_home()
    document = definition(processing("Data", "write", OUT, "x"))
    first, _ = run(document, home, tmp_path)
    entry = next((tmp_path / "cache").glob("*.json"))
    kept = json.loads(entry.read_text())
    entry.write_text(json.dumps({**kept, "ended": "2020-01-01T00:00:00+00:00"}))
    second, _ = run(document, home, tmp_path)
    assert second.steps["Data"].cached is None
    home.machine.store.path(f"s3://bucket/runs/{second.execution_id}/Data/value.txt").unlink()
    home.machine.store.path(f"s3://bucket/runs/{second.execution_id}/Data/report.json").unlink()
    third, _ = run(document, home, tmp_path)
    assert third.steps["Data"].cached is None
    assert first.status == second.status == third.status == "Succeeded"


def test_models_are_registered_with_evaluated_arguments(
    tmp_path: Path, make_home: MakeHome
) -> None:
    registered = Registered()
    document = definition(
        processing("Measure", "write", OUT, "x"),
        {
            "Name": "Register",
            "Type": "RegisterModel",
            "Arguments": {"Customer": {"contract_id": report_of("Measure", "value")}},
        },
    )
    state, _ = run(document, make_home(registered), tmp_path)
    assert state.status == "Succeeded", state.failure
    assert registered.requests == {
        f"pipelines-{state.execution_id}-Register": {"Customer": {"contract_id": "x"}}
    }


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _marks(folder: Path, name: str) -> int:
    return len((folder / name).read_text().splitlines())
