"""The definition as it is compiled, executed with stand-ins for its jobs: who gets registered."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faceflow_ml.inference.pretrained import Kind
from pipelines.definition.check import OPERATIONS, all_steps
from pipelines.local.execute import Execution, Home, merge_parameters
from pipelines.local.state import ExecutionState, begin
from pipelines.steps.evaluate import Measured, make_report
from tests.pipelines.small import Registered

PROGRAMS = Path(__file__).with_name("gate_programs.py")
GOOD: dict[Kind, Any] = {"detector": (0.9, None), "embedder": (0.9, None)}
Run = Callable[..., tuple[ExecutionState, Registered]]


def report_of(kind: Kind, metric: float, loss: float | None) -> dict[str, Any]:
    """What the evaluation step writes of a model; ``loss`` in place of what it would find."""
    measured = Measured(f"{kind:0<16}", metric, problem="all vectors are NaN")
    report = make_report(kind, measured, None)
    if loss is not None:
        report["gate"]["loss"] = loss
    return report


@pytest.fixture
def run(
    compiled: dict[str, Any],
    make_home: Callable[..., Home],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Execute the default definition; ``gate`` is the metric and the loss of each kind."""
    document = copy.deepcopy(compiled)
    for step in all_steps(document["Steps"]):
        application = step["Arguments"].get("AppSpecification", {})
        if "ContainerEntrypoint" in application:
            application["ContainerEntrypoint"] = ["python", os.fspath(PROGRAMS)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/photos").write_text("x")

    def execute(gate: Any, **parameters: str) -> tuple[ExecutionState, Registered]:
        reports = {kind: report_of(kind, *values) for kind, values in {**GOOD, **gate}.items()}
        monkeypatch.setenv("REPORTS", json.dumps(reports, allow_nan=False))
        registered = Registered()
        home = make_home(registered)
        images = {"faceflow-": ["python", os.fspath(PROGRAMS)]}
        home = replace(home, machine=replace(home.machine, images=images))
        given = {"DataUri": (tmp_path / "data").as_uri(), **parameters}
        # Another gate is no input that the cache could see.
        for cached in (tmp_path / "cache").glob("*.json"):
            cached.unlink()
        state, folder = begin(document, "faceflow", merge_parameters(document, given), tmp_path)
        return Execution(document, state, folder, home).run(), registered

    return execute


def test_good_models_are_registered_with_their_contracts(run: Run) -> None:
    from botocore.session import Session
    from botocore.validate import ParamValidator

    state, registered = run({})
    assert state.status == "Succeeded", state.failure
    assert "Refuse" not in state.steps
    requests = list(registered.requests.values())
    contracts = {r["CustomerMetadataProperties"]["contract_id"] for r in requests}
    assert contracts == {"detector00000000", "embedder00000000"}
    for request in requests:
        assert request["ModelApprovalStatus"] == "PendingManualApproval"
        assert request["CustomerMetadataProperties"]["data_fingerprint"] == "f" * 64
        assert ":training-job/" in request["MetadataProperties"]["GeneratedBy"]
        card = json.loads(request["ModelCard"]["ModelCardContent"])
        assert card["evaluation_details"][0]["metric_groups"][0]["metric_data"][0]["value"] == 0.9
        # What is known now at last is still what the API takes.
        model = (
            Session().get_service_model("sagemaker").operation_model(OPERATIONS["RegisterModel"])
        )
        report = ParamValidator().validate(request, model.input_shape)
        assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ({"embedder": (0.3, None)}, "true accept rate at FAR 1e-3 0.3000"),
        ({"detector": (0.2, None)}, "average precision 0.2000"),
        ({"embedder": (0.9, 0.02)}, "its loss against the champion at most 0.01"),
        ({"detector": (float("nan"), None)}, "is not a number (all vectors are NaN)"),
        ({"embedder": (float("nan"), None)}, "is not a number (all vectors are NaN)"),
    ],
)
def test_a_poor_worse_or_broken_model_is_refused_and_why_is_said(
    run: Run, gate: dict[str, Any], reason: str
) -> None:
    state, registered = run(gate)
    assert state.status == "Failed"
    assert registered.requests == {}
    assert state.steps["CheckQuality"].properties == {"Outcome": False}
    failure = state.steps["Refuse"].failure or ""
    assert failure.startswith("Not registered. Detector: average precision must be at least 0.6")
    assert reason in failure


def test_bounds_and_approval_are_parameters(run: Run) -> None:
    gate = {"embedder": (0.3, 0.2)}
    state, registered = run(
        gate, EmbedderMinimum="0.25", EmbedderTolerance="0.2", ApprovalStatus="Approved"
    )
    assert state.status == "Succeeded", state.failure
    statuses = {request["ModelApprovalStatus"] for request in registered.requests.values()}
    assert statuses == {"Approved"}
