"""The pipeline: prepare data, train both models side by side, evaluate them, register or refuse.

Names of steps, outputs and property files are what `pipelines.steps` writes and what deployment
reads. Nothing that changes by itself (time, job names, uploads of code) enters a step's arguments,
so that SageMaker's step cache hits: code comes with the image, and checkpoints lie under a path
that is made of what they depend on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faceflow_ml.inference.pretrained import Kind
from pipelines.config import PipelineConfig
from pipelines.definition.corrections import Corrections
from pipelines.definition.jobs import evaluation_step, processing_step, training_step
from pipelines.definition.parameters import Parameters, declare
from pipelines.kinds import KINDS

if TYPE_CHECKING:
    from sagemaker.core.workflow.functions import JsonGet
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import ProcessingStep

TITLE = {"detector": "Detector", "embedder": "Embedder"}
HEADLINE = {"detector": "average precision", "embedder": "true accept rate at FAR 1e-3"}
CHANNELS = tuple(f"{kind}_{split}" for kind in KINDS for split in ("train", "val"))


@dataclass(frozen=True)
class _Evaluated:
    """A step that evaluated a model, and the property file it wrote."""

    step: ProcessingStep
    report: PropertyFile
    generated_by: Any  # the training job's ARN, a property

    def get(self, path: str) -> JsonGet:
        from sagemaker.core.workflow.functions import JsonGet

        return JsonGet(step_name=self.step.name, property_file=self.report, json_path=path)


def build_pipeline(config: PipelineConfig, session: PipelineSession) -> Pipeline:
    """The pipeline as SDK objects, in a session that may be offline."""
    from sagemaker.core.shapes.shapes import MlflowConfig
    from sagemaker.mlops.workflow.pipeline import Pipeline

    parameters = declare(config)
    if config.retraining is None:
        steps = _train_and_judge(config, session, parameters)
    else:
        corrections = Corrections(config, config.retraining, session, parameters)
        rest = _train_and_judge(config, session, parameters, corrections)
        steps = [corrections.gate, corrections.enough(rest)]
    mlflow = None
    if config.mlflow_arn is not None:
        mlflow = MlflowConfig(
            mlflow_resource_arn=config.mlflow_arn,
            mlflow_experiment_name=config.mlflow_experiment,
        )
    return Pipeline(
        name=config.name,
        parameters=parameters.declared(),
        mlflow_config=mlflow,
        steps=steps,
        sagemaker_session=session,
    )


def _train_and_judge(
    config: PipelineConfig,
    session: PipelineSession,
    parameters: Parameters,
    corrections: Corrections | None = None,
) -> list[Any]:
    """The steps from the data to registered or refused models.

    corrections: None where the data are all that is trained on.
    """
    from sagemaker.core.workflow.functions import JsonGet
    from sagemaker.core.workflow.properties import PropertyFile

    champions_file = PropertyFile(name="Champions", output_name="champions", path="champions.json")
    champions = processing_step(
        "FindChampions",
        config,
        session,
        parameters,
        arguments=[
            "champions",
            *(f"--group={kind}={config.groups[kind]}" for kind in KINDS),
            f"--shipped={config.store}/shipped",
            "--out=/opt/ml/processing/output/champions",
            "--shipped-out=/opt/ml/processing/output/shipped",
        ],
        outputs={"champions": None, "shipped": f"{config.store}/shipped"},
        property_files=[champions_file],
        cached=False,  # whoever is champion may have changed
    )
    data_file = PropertyFile(name="Data", output_name="report", path="data.json")
    prepare = processing_step(
        "PrepareData",
        config,
        session,
        parameters,
        arguments=_prepare_arguments(config),
        inputs={} if parameters.data is None else {"data": parameters.data},
        outputs=dict.fromkeys((*CHANNELS, "report")),
        property_files=[data_file],
    )
    fingerprint = JsonGet(step_name=prepare.name, property_file=data_file, json_path="fingerprint")
    fingerprints: dict[Kind, JsonGet] = dict.fromkeys(KINDS, fingerprint)
    prepared = prepare.properties.ProcessingOutputConfig.Outputs
    places = {name: prepared[name].S3Output.S3Uri for name in CHANNELS}
    champion = {
        kind: JsonGet(
            step_name=champions.name,
            property_file=champions_file,
            json_path=f"{kind}.model_data_url",
        )
        for kind in KINDS
    }
    evaluated: dict[Kind, _Evaluated] = {}
    steps: list[Any] = [champions, prepare]
    mixed = None
    if corrections is not None:
        data = places["embedder_train"]
        mixed = corrections.mix(data, champion["embedder"])
        places["embedder_train"] = mixed.train
        fingerprints["embedder"] = mixed.fingerprint
        steps += [mixed.step, corrections.report(data, champion["embedder"])]
    for kind in KINDS:
        train = training_step(
            kind,
            config,
            session,
            parameters,
            channels={split: places[f"{kind}_{split}"] for split in ("train", "val")},
            checkpoints=[
                *(config.store, "checkpoints", kind),
                *(parameters.image[kind], parameters.config[kind]),
                parameters.instance_count[kind].to_string(),
                _recipe(config, kind),
                fingerprints[kind],
            ],
        )
        report = PropertyFile(
            name=f"{TITLE[kind]}Evaluation", output_name="report", path="evaluation.json"
        )
        evaluate = evaluation_step(
            kind, config, session, parameters, prepare, train, champion[kind], report
        )
        evaluated[kind] = _Evaluated(evaluate, report, train.properties.TrainingJobArn)
        steps += [train, evaluate]
    judge = _check_quality(config, session, parameters, evaluated, fingerprints)
    if corrections is not None and mixed is not None:
        remember = corrections.remember(mixed, [result.step for result in evaluated.values()])
        # A refusal ends the execution, and whatever runs beside it.
        judge.add_depends_on([remember])
        steps.append(remember)
    return [*steps, judge]


def _prepare_arguments(config: PipelineConfig) -> list[str]:
    words = ["prepare", "--out=/opt/ml/processing/output"]
    if config.synthetic.photos:
        synthetic = config.synthetic
        return [
            *words,
            f"--photos={synthetic.photos}",
            f"--people={synthetic.people}",
            f"--faces={synthetic.faces}",
            f"--seed={synthetic.seed}",
        ]
    return [*words, "--data=/opt/ml/processing/input/data"]


def _recipe(config: PipelineConfig, kind: Kind) -> str:
    """What besides data and parameters decides the weights: a short hash for a path."""
    recipe = sorted(config.training(kind).overrides.items())
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def _check_quality(
    config: PipelineConfig,
    session: PipelineSession,
    parameters: Parameters,
    evaluated: dict[Kind, _Evaluated],
    fingerprints: dict[Kind, JsonGet],
) -> ConditionStep:
    """Register both models if each is good enough and not worse than its champion, or fail."""
    from sagemaker.core.workflow.conditions import (
        ConditionGreaterThanOrEqualTo,
        ConditionLessThanOrEqualTo,
    )
    from sagemaker.core.workflow.functions import Join
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep

    conditions: list[Any] = []
    reasons: list[Any] = ["Not registered."]
    for kind in KINDS:
        result = evaluated[kind]
        minimum, tolerance = parameters.minimum[kind], parameters.tolerance[kind]
        conditions += [
            ConditionGreaterThanOrEqualTo(left=result.get("gate.metric"), right=minimum),
            ConditionLessThanOrEqualTo(left=result.get("gate.loss"), right=tolerance),
        ]
        reasons += [
            f" {TITLE[kind]}: {HEADLINE[kind]} must be at least ",
            minimum.to_string(),
            " and its loss against the champion at most ",
            tolerance.to_string(),
            "; measured: ",
            result.get("gate.summary"),
        ]
    return ConditionStep(
        name="CheckQuality",
        conditions=conditions,
        if_steps=[
            _register(kind, config, session, parameters, evaluated[kind], fingerprints[kind])
            for kind in KINDS
        ],
        else_steps=[FailStep(name="Refuse", error_message=Join(on="", values=reasons))],
    )


def _register(
    kind: Kind,
    config: PipelineConfig,
    session: PipelineSession,
    parameters: Parameters,
    evaluated: _Evaluated,
    fingerprint: JsonGet,
) -> Any:
    """A version in the model package group, with metrics, lineage, model card and contract id."""
    from sagemaker.core.metadata_properties import MetadataProperties
    from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
    from sagemaker.core.shapes import ModelPackageModelCard
    from sagemaker.core.workflow.functions import Join
    from sagemaker.mlops.workflow.model_step import ModelStep
    from sagemaker.mlops.workflow.retry import StepExceptionTypeEnum, StepRetryPolicy
    from sagemaker.serve.model_builder import ModelBuilder

    outputs = evaluated.step.properties.ProcessingOutputConfig.Outputs
    model = ModelBuilder(
        image_uri=parameters.image[kind],
        s3_model_data_url=Join(on="/", values=[outputs["model"].S3Output.S3Uri, "model.tar.gz"]),
        role_arn=config.role,
        sagemaker_session=session,
        dependencies={},  # the default would upload code; ours is in the image
    )
    accepted = ["image/jpeg", "image/png", "image/webp", "application/json"]
    answers = ["application/json"]
    if kind == "embedder":
        accepted.append("application/x-npy")
        answers.append("application/x-npy")
    arguments = model.register(
        model_package_group_name=config.groups[kind],
        content_types=accepted,
        response_types=answers,
        inference_instances=[config.deploy.endpoints[kind].instance_type],
        transform_instances=[config.processing.instance_type],
        model_metrics=ModelMetrics(
            model_statistics=MetricsSource(
                content_type="application/json",
                s3_uri=Join(on="/", values=[outputs["report"].S3Output.S3Uri, "evaluation.json"]),
            )
        ),
        metadata_properties=MetadataProperties(generated_by=evaluated.generated_by),
        approval_status=parameters.approval,
        customer_metadata_properties={
            "kind": kind,
            "contract_id": evaluated.get("contract_id"),
            "data_fingerprint": fingerprint,
        },
        domain="COMPUTER_VISION",
        task="OBJECT_DETECTION" if kind == "detector" else "OTHER",
        model_card=ModelPackageModelCard(
            model_card_content=evaluated.get("model_card"), model_card_status="PendingReview"
        ),
    )
    return ModelStep(
        name=f"Register{TITLE[kind]}",
        step_args=arguments,
        retry_policies=[
            StepRetryPolicy(
                exception_types=[
                    StepExceptionTypeEnum.SERVICE_FAULT,
                    StepExceptionTypeEnum.THROTTLING,
                ],
                interval_seconds=30,
                max_attempts=5,
            )
        ],
    )
