"""The compiled definition: golden, offline, and one that SageMaker would take."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faceflow_ml.errors import ConfigError
from pipelines.config import PipelineConfig, load_pipeline_config
from pipelines.definition.check import (
    DefinitionError,
    all_steps,
    check_definition,
    references,
)
from pipelines.definition.compile import to_json
from pipelines.local.cache import KEYS
from pipelines.local.graph import dependencies
from tests.pipelines.conftest import CONFIGS, ROOT

GOLDEN = Path(__file__).parent / "golden" / "definition.json"


def step(definition: dict[str, Any], name: str) -> dict[str, Any]:
    return next(step for step in all_steps(definition["Steps"]) if step["Name"] == name)


def test_the_definition_is_the_golden_one(compiled: dict[str, Any]) -> None:
    """Changed on purpose? ``faceflow-ml pipeline compile --out tests/.../definition.json``."""
    assert to_json(compiled) == GOLDEN.read_text(encoding="utf-8")


OFFLINE = """
import socket, sys
def refuse(*words, **named):
    raise AssertionError(f"the network was asked for {words}")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from faceflow_ml.cli import main
sys.argv = ["faceflow-ml", "pipeline", "compile", "--out", sys.argv[1], "--json"]
main()
"""


def test_it_compiles_without_credentials_or_network(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_")
    } | {"HOME": str(tmp_path), "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"}
    out = tmp_path / "definition.json"
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(out)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == "2020-12-01"
    # A second process, another folder: not a byte differs.
    assert out.read_text() == GOLDEN.read_text(encoding="utf-8")


def test_the_steps_wait_for_each_other_as_they_should(compiled: dict[str, Any]) -> None:
    evaluations = {"EvaluateDetector", "EvaluateEmbedder"}
    assert dependencies(compiled) == {
        "FindChampions": set(),
        "PrepareData": set(),
        "TrainDetector": {"PrepareData"},
        "EvaluateDetector": {"FindChampions", "PrepareData", "TrainDetector"},
        "TrainEmbedder": {"PrepareData"},
        "EvaluateEmbedder": {"FindChampions", "PrepareData", "TrainEmbedder"},
        "CheckQuality": evaluations,
        "RegisterDetector": {"CheckQuality", "EvaluateDetector", "PrepareData", "TrainDetector"},
        "RegisterEmbedder": {"CheckQuality", "EvaluateEmbedder", "PrepareData", "TrainEmbedder"},
        "Refuse": {"CheckQuality"} | evaluations,
    }


def test_nothing_that_changes_by_itself_is_in_a_cache_key(compiled: dict[str, Any]) -> None:
    cached = [s for s in all_steps(compiled["Steps"]) if s.get("CacheConfig", {}).get("Enabled")]
    assert [s["Name"] for s in cached] == [
        "PrepareData",
        "TrainDetector",
        "EvaluateDetector",
        "TrainEmbedder",
        "EvaluateEmbedder",
    ]
    for found in cached:
        for key in KEYS[found["Type"]]:
            asked = list(references(found["Arguments"].get(key, {})))
            assert not [name for name in asked if name.startswith("Execution.")]
        # No code is uploaded: it comes with the image.
        assert "sagemaker_program" not in json.dumps(found)
        assert "/code" not in json.dumps(found)


def test_training_can_be_interrupted_and_ends_in_time(compiled: dict[str, Any]) -> None:
    arguments = step(compiled, "TrainEmbedder")["Arguments"]
    assert arguments["EnableManagedSpotTraining"] is True
    assert arguments["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 86_400,
        "MaxWaitTimeInSeconds": 172_800,
    }
    checkpoints = arguments["CheckpointConfig"]
    assert checkpoints["LocalPath"] == "/opt/ml/checkpoints"
    parts = checkpoints["S3Uri"]["Std:Join"]["Values"]
    # Other data or another recipe never go on with these checkpoints.
    assert parts[-1]["Std:JsonGet"]["Path"] == "fingerprint"
    assert {"Get": "Parameters.EmbedderImage"} in parts
    assert {"Get": "Parameters.EmbedderConfig"} in parts
    assert arguments["ResourceConfig"]["InstanceCount"] == {
        "Get": "Parameters.EmbedderInstanceCount"
    }


def test_managed_mlflow_is_told_to_pipeline_and_jobs(compiled: dict[str, Any]) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/faceflow"
    assert compiled["MlflowConfig"] == {
        "MlflowResourceArn": arn,
        "MlflowExperimentName": "faceflow",
    }
    for name in ("TrainDetector", "EvaluateEmbedder"):
        assert step(compiled, name)["Arguments"]["Environment"]["MLFLOW_TRACKING_URI"] == arn


def test_models_are_registered_pending_with_lineage_metrics_and_card(
    compiled: dict[str, Any],
) -> None:
    arguments = step(compiled, "RegisterEmbedder")["Arguments"]
    assert arguments["ModelApprovalStatus"] == {"Get": "Parameters.ApprovalStatus"}
    default = next(p for p in compiled["Parameters"] if p["Name"] == "ApprovalStatus")
    assert default["DefaultValue"] == "PendingManualApproval"
    assert arguments["MetadataProperties"]["GeneratedBy"] == {
        "Get": "Steps.TrainEmbedder.TrainingJobArn"
    }
    assert arguments["CustomerMetadataProperties"]["contract_id"]["Std:JsonGet"]["Path"] == (
        "contract_id"
    )
    assert "ModelQuality" in arguments["ModelMetrics"]
    assert arguments["ModelCard"]["ModelCardStatus"] == "PendingReview"
    assert "application/x-npy" in arguments["InferenceSpecification"]["SupportedContentTypes"]


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(Version="2021-01-01"), "2020-12-01"),
        (lambda d: d.update(Extra=1), "Additional properties"),
        (lambda d: step(d, "Refuse").update(Type="Stop"), "Stop"),
        (lambda d: step(d, "PrepareData").update(Name="two words"), "does not match"),
        (lambda d: step(d, "PrepareData").update(Name="TrainDetector"), "two steps are called"),
        (lambda d: d["Parameters"].pop(0), "no parameter DataUri"),
        (lambda d: d["Steps"].pop(0), "no step FindChampions"),
        (
            lambda d: step(d, "EvaluateDetector")["PropertyFiles"].clear(),
            "no property file DetectorEvaluation",
        ),
        (
            lambda d: step(d, "TrainDetector")["Arguments"].pop("OutputDataConfig"),
            'Missing required parameter in input: "OutputDataConfig"',
        ),
        (
            lambda d: step(d, "TrainDetector")["Arguments"].update(Colour="red"),
            'Unknown parameter in input: "Colour"',
        ),
        (
            lambda d: step(d, "TrainDetector")["Arguments"]["ResourceConfig"].update(
                InstanceType="ml.huge"
            ),
            "none of the values that the API knows",
        ),
        (
            lambda d: step(d, "PrepareData")["Arguments"].update(RoleArn="arn:aws:iam::1:role/x"),
            "does not match",
        ),
        (
            lambda d: step(d, "CheckQuality")["Arguments"]["Conditions"][0].update(Type="Roughly"),
            "is not valid under any of the given schemas",
        ),
        (
            lambda d: step(d, "TrainDetector").update(
                CacheConfig={"Enabled": True, "ExpireAfter": "soon"}
            ),
            "does not match",
        ),
    ],
)
def test_what_sagemaker_would_refuse_is_refused(
    compiled: dict[str, Any], change: Change, reason: str
) -> None:
    changed = copy.deepcopy(compiled)
    change(changed)
    with pytest.raises(DefinitionError, match=reason):
        check_definition(changed)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["colour=red"], "colour"),
        (["role=FaceFlow"], "role"),
        (["store=/tmp"], "store"),
        (["embedder.max_wait_hours=1"], "max_wait_hours must be at least max_hours"),
        (["embedder.overrides={epochs: 3}"], "overrides need section.key"),
        (["deploy.endpoints.detector.instance_count=1"], "needs instance_count of at least 2"),
        (
            [
                "deploy.endpoints.detector.traffic=linear",
                "deploy.endpoints.detector.step_percent=5",
            ],
            "at least 10",
        ),
        (
            [
                "deploy.endpoints.detector.traffic=linear",
                "deploy.endpoints.detector.bake_seconds=3600",
            ],
            "8 hours",
        ),
        (["deploy.endpoints.detector.alarms=[a, b, c, d, e, f, g, h, i]"], "at most 8"),
        (["synthetic.photos=3"], "give both"),
        (["embedder.minimum=1.5"], "minimum"),
    ],
)
def test_a_bad_configuration_is_named(words: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_pipeline_config(CONFIGS / "default.yaml", words)


def test_both_configurations_are_valid(default_config: PipelineConfig) -> None:
    debug = load_pipeline_config(CONFIGS / "debug.yaml")
    assert debug.local.approval == "automatic"
    assert default_config.local.approval == "manual"  # production waits for a person
