"""`run_local`: compile, then execute what was compiled; a killed run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.config import PipelineConfig
from pipelines.definition.check import all_steps
from pipelines.definition.compile import compile_definition
from pipelines.kinds import KINDS
from pipelines.local.cache import StepCache, code_fingerprint
from pipelines.local.execute import Execution, Home, Notice, Register, merge_parameters
from pipelines.local.jobs import Machine
from pipelines.local.objects import LocalStore
from pipelines.local.state import ExecutionState, begin, locked
from pipelines.mlflow_registry import MlflowRegistry
from pipelines.registry import REGISTRY_VARIABLE, Version


@dataclass(frozen=True)
class LocalRun:
    """An execution's end: its state, its folder, and the versions it registered.

    skipped: why nothing was trained; None where it was.
    """

    state: ExecutionState
    folder: Path
    registered: tuple[Version, ...]
    skipped: str | None = None


def run_local(
    config: PipelineConfig,
    parameters: Mapping[str, str],
    *,
    notice: Notice,
    fresh: bool = False,
    cached: bool = True,
) -> LocalRun:
    """Compile the definition and execute it on this machine.

    An execution of the same definition and parameters that was killed goes on.

    Args:
        config: of the pipeline.
        parameters: that differ from their defaults, as text.
        notice: called with one line for each thing that happens.
        fresh: begin anew all the same.
        cached: reuse earlier steps.

    Raises:
        FaceFlowError: a parameter is wrong, or another process executes here. A step that fails
            raises nothing: the state says so.
    """
    definition = compile_definition(config)
    if not cached:
        for step in all_steps(definition["Steps"]):
            step.pop("CacheConfig", None)
    root = config.local.root.resolve()
    store = LocalStore(root / "s3")
    registry = MlflowRegistry(config.tracking_uri(), config.artifacts())
    uri = config.tracking_uri()
    code = config.local.code or code_fingerprint()[:16]
    environment = {"MLFLOW_TRACKING_URI": uri, REGISTRY_VARIABLE: uri}
    home = Home(
        root / "work",
        Machine(store, config.local.images, environment, code),
        StepCache(root / "cache", store, code),
        registration(registry, store, config),
        config.local.parallel,
        notice,
    )
    for kind in KINDS:
        registry.experiment(f"{config.mlflow_experiment}-{kind}")  # of the training jobs
    with locked(root / "lock", what=f"the pipeline's folder {root}"):
        state, folder = begin(
            definition, config.name, merge_parameters(definition, parameters), root, fresh=fresh
        )
        verb = "Resuming" if state.steps else "Starting"
        notice(f"{verb} execution {state.execution_id} in {folder}")
        state = Execution(definition, state, folder, home).run()
    versions = [
        registry.get(config.groups[kind], int(done.properties["ModelPackageVersion"]))
        for kind in KINDS
        if (done := state.steps.get(f"Register{kind.capitalize()}")) is not None
        and done.status == "Succeeded"
    ]
    end = state.steps.get("Skip")
    skipped = None if end is None else end.properties.get("ExitMessage")
    return LocalRun(state, folder, tuple(versions), skipped)


def registration(registry: MlflowRegistry, store: LocalStore, config: PipelineConfig) -> Register:
    """A RegisterModel step on this machine: the model package becomes a version in MLflow."""

    def register(key: str, request: Mapping[str, Any]) -> dict[str, Any]:
        container = request["InferenceSpecification"]["Containers"][0]
        statistics = request["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
        group = request["ModelPackageGroupName"]
        version = registry.register(
            group,
            store.path(container["ModelDataUrl"]),
            key=key,
            model_data_url=container["ModelDataUrl"],
            status=request["ModelApprovalStatus"],
            properties={
                **request["CustomerMetadataProperties"],
                "generated_by": request["MetadataProperties"]["GeneratedBy"],
            },
            evaluation=json.loads(store.read_text(statistics)),
            card=request["ModelCard"]["ModelCardContent"],
            experiment=config.mlflow_experiment,
        )
        return {
            **request,
            "ModelPackageVersion": version.version,
            "ModelPackageArn": "arn:aws:sagemaker:local:000000000000:model-package/"
            f"{group}/{version.version}",
            "ModelApprovalStatus": version.status,
        }

    return register
