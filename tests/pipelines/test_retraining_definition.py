"""The weekly definition: the gate comes first, and a skip is a success that says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pipelines.config import load_pipeline_config
from pipelines.definition.check import all_steps, references
from pipelines.definition.compile import compile_definition, to_json
from pipelines.local.graph import dependencies
from tests.pipelines.conftest import CONFIGS

GOLDEN = Path(__file__).parent / "golden" / "retraining.json"
DEFINITION: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))


def step(name: str) -> dict[str, Any]:
    return next(step for step in all_steps(DEFINITION["Steps"]) if step["Name"] == name)


def test_the_definition_is_the_golden_one() -> None:
    """Changed on purpose? ``faceflow-ml pipeline compile --config ... --out golden/...``."""
    compiled = compile_definition(load_pipeline_config(CONFIGS / "retraining.yaml"))
    assert to_json(compiled) == GOLDEN.read_text(encoding="utf-8")


def test_it_is_the_default_pipeline_behind_a_gate() -> None:
    weekly = yaml.safe_load((CONFIGS / "retraining.yaml").read_text())
    assert set(weekly.pop("retraining")) == {"corrections", "needed"}
    default = yaml.safe_load((CONFIGS / "default.yaml").read_text())
    assert weekly == {**default, "name": "faceflow-retraining"}


def test_everything_waits_for_the_gate() -> None:
    gate, enough = DEFINITION["Steps"]
    assert (gate["Name"], enough["Name"]) == ("CheckCorrections", "EnoughCorrections")
    assert "CacheConfig" not in gate  # what people corrected may have changed
    (condition,) = enough["Arguments"]["Conditions"]
    assert (condition["Type"], condition["RightValue"]) == ("Equals", 1)
    assert condition["LeftValue"]["Std:JsonGet"] == {
        "PropertyFile": {"Get": "Steps.CheckCorrections.PropertyFiles.Gate"},
        "Path": "train",
    }
    waits = dependencies(DEFINITION)
    rest = set(waits) - {"CheckCorrections", "EnoughCorrections"}
    assert all(_all_before(name, waits) >= {"EnoughCorrections"} for name in rest)


def test_a_skip_is_no_failure_and_says_why() -> None:
    (skip,) = step("EnoughCorrections")["Arguments"]["ElseSteps"]
    assert (skip["Name"], skip["Type"]) == ("Skip", "Processing")
    command = skip["Arguments"]["AppSpecification"]["ContainerArguments"]
    assert command[0] == "skip"
    assert list(references(command[1])) == ["Steps.CheckCorrections.PropertyFiles.Gate"]
    assert '"Path": "reason"' in json.dumps(command[1])


def test_only_the_embedder_waits_for_corrections() -> None:
    """Else the detector would be trained anew every week on the same photos."""
    waits = dependencies(DEFINITION)
    assert waits["TrainEmbedder"] == {"EnoughCorrections", "MixCorrections", "PrepareData"}
    assert "MixCorrections" not in _all_before("EvaluateDetector", waits)
    assert waits["RememberCorrections"] == {
        *("EnoughCorrections", "MixCorrections", "EvaluateDetector", "EvaluateEmbedder")
    }
    assert "RememberCorrections" in waits["CheckQuality"]


def test_drift_and_quality_are_reported_and_decide_nothing() -> None:
    arguments = step("ReportCorrections")["Arguments"]
    outputs = arguments["ProcessingOutputConfig"]["Outputs"]
    assert [output["OutputName"] for output in outputs] == ["quality", "drift"]
    inputs = {i["InputName"]: i["S3Input"]["S3Uri"] for i in arguments["ProcessingInputs"]}
    assert list(references(inputs["data"])) == [
        "Steps.PrepareData.ProcessingOutputConfig.Outputs['embedder_train'].S3Output.S3Uri"
    ]
    waits = dependencies(DEFINITION)
    assert not [name for name, before in waits.items() if "ReportCorrections" in before]


def test_the_cache_sees_changed_corrections_under_the_same_place() -> None:
    command = step("MixCorrections")["Arguments"]["AppSpecification"]["ContainerArguments"]
    assert '"Path": "fingerprint"' in json.dumps(command[-1])
    checkpoints = step("TrainEmbedder")["Arguments"]["CheckpointConfig"]["S3Uri"]
    assert "Steps.MixCorrections.PropertyFiles.Mixed" in list(references(checkpoints))


def _all_before(name: str, waits: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [name]
    while left:
        for other in waits[left.pop()] - found:
            found.add(other)
            left.append(other)
    return found
