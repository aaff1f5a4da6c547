"""The jobs of the pipeline as SDK objects: processing and training, with limits and retries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faceflow_ml.inference.pretrained import Kind
from pipelines.config import PipelineConfig
from pipelines.definition.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagemaker.core.workflow.functions import JsonGet
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, Step, TrainingStep

ENTRYPOINT = ["python", "-m", "pipelines.steps"]
INPUT, OUTPUT = "/opt/ml/processing/input", "/opt/ml/processing/output"
CHECKPOINTS = "/opt/ml/checkpoints"
_HOUR = 3600


def processing_step(
    name: str,
    config: PipelineConfig,
    session: PipelineSession,
    parameters: Parameters,
    *,
    arguments: list[Any],
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any],
    property_files: list[PropertyFile],
    kind: Kind = "detector",
    instance_type: str | None = None,
    cached: bool = True,
    depends_on: list[Step] | None = None,
) -> ProcessingStep:
    """A processing job that runs ``python -m pipelines.steps ARGUMENTS`` in a kind's image.

    inputs: S3 URIs by name, found under /opt/ml/processing/input/NAME. outputs: by name, written
    under /opt/ml/processing/output/NAME, uploaded to the URI, or to one of the execution's own.
    instance_type: other than the pipeline's parameter.
    """
    from sagemaker.core.processing import Processor
    from sagemaker.core.shapes import (
        ProcessingInput,
        ProcessingOutput,
        ProcessingS3Input,
        ProcessingS3Output,
    )
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join
    from sagemaker.mlops.workflow.steps import ProcessingStep

    def place(output: str) -> Any:
        # Outputs are no part of SageMaker's cache key; inputs are. An execution's own prefix keeps
        # what a cached step points at from being overwritten by a later execution.
        parts = [config.store, "runs", ExecutionVariables.PIPELINE_EXECUTION_ID, name, output]
        return Join(on="/", values=parts)

    processor = Processor(
        role=config.role,
        image_uri=parameters.image[kind],
        instance_count=1,
        instance_type=instance_type or parameters.processing_instance,
        entrypoint=ENTRYPOINT,
        volume_size_in_gb=config.processing.volume_gb,
        max_runtime_in_seconds=round(config.processing.max_hours * _HOUR),
        base_job_name=f"{config.name}-{name}",
        sagemaker_session=session,
        env=_environment(config),
    )
    step_arguments = processor.run(
        inputs=[
            ProcessingInput(
                input_name=input_name,
                s3_input=ProcessingS3Input(
                    s3_uri=uri,
                    local_path=f"{INPUT}/{input_name}",
                    s3_data_type="S3Prefix",
                    s3_input_mode="File",
                ),
            )
            for input_name, uri in (inputs or {}).items()
        ],
        outputs=[
            ProcessingOutput(
                output_name=output,
                s3_output=ProcessingS3Output(
                    s3_uri=uri if uri is not None else place(output),
                    local_path=f"{OUTPUT}/{output}",
                    s3_upload_mode="EndOfJob",
                ),
            )
            for output, uri in outputs.items()
        ],
        arguments=arguments,
    )
    return ProcessingStep(
        name=name,
        step_args=step_arguments,
        property_files=property_files,
        depends_on=depends_on,
        cache_config=_cache(config) if cached else None,
        retry_policies=_retries(),
    )


def evaluation_step(
    kind: Kind,
    config: PipelineConfig,
    session: PipelineSession,
    parameters: Parameters,
    prepare: ProcessingStep,
    train: TrainingStep,
    champion: JsonGet,
    report: PropertyFile,
) -> ProcessingStep:
    """Exports the trained model and measures it and its champion on the same held-out data."""
    prepared = prepare.properties.ProcessingOutputConfig.Outputs
    return processing_step(
        "Evaluate" + kind.capitalize(),
        config,
        session,
        parameters,
        kind=kind,
        arguments=[
            "evaluate",
            kind,
            f"--model={INPUT}/model",
            f"--champion={INPUT}/champion",
            f"--data={INPUT}/data",
            f"--report={OUTPUT}/report",
            f"--out={OUTPUT}/model",
        ],
        inputs={
            "model": train.properties.ModelArtifacts.S3ModelArtifacts,
            "champion": champion,
            "data": prepared[f"{kind}_val"].S3Output.S3Uri,
        },
        outputs={"report": None, "model": None},
        property_files=[report],
    )


def training_step(
    kind: Kind,
    config: PipelineConfig,
    session: PipelineSession,
    parameters: Parameters,
    *,
    channels: Mapping[str, Any],
    checkpoints: Sequence[Any],
) -> TrainingStep:
    """A training job: the image's ``train``, told by hyperparameters and channels.

    With several instances the image makes them one DDP group. Its ``model.tar.gz`` holds the
    exported model beside the checkpoint.

    channels: S3 URIs by name.
    checkpoints: parts of the S3 URI that SageMaker mirrors /opt/ml/checkpoints to and, after a
    spot interruption or in a second attempt, from.
    """
    from sagemaker.core.shapes import CheckpointConfig, OutputDataConfig
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join
    from sagemaker.mlops.workflow.steps import TrainingStep
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute, InputData, StoppingCondition

    training = config.training(kind)
    name = "Train" + kind.capitalize()
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=config.role,
        base_job_name=f"{config.name}-{kind}",
        training_image=parameters.image[kind],
        compute=Compute(
            instance_type=parameters.instance_type[kind],
            instance_count=parameters.instance_count[kind],
            volume_size_in_gb=training.volume_gb,
            enable_managed_spot_training=training.spot,
        ),
        # The service's default is a day, the SDK's an hour.
        stopping_condition=StoppingCondition(
            max_runtime_in_seconds=round(training.max_hours * _HOUR),
            max_wait_time_in_seconds=round(training.max_wait_hours * _HOUR)
            if training.spot
            else None,
        ),
        output_data_config=OutputDataConfig(
            s3_output_path=Join(
                on="/",
                values=[config.store, "runs", ExecutionVariables.PIPELINE_EXECUTION_ID, name],
            )
        ),
        checkpoint_config=CheckpointConfig(
            s3_uri=Join(on="/", values=list(checkpoints)), local_path=CHECKPOINTS
        ),
        environment=_environment(config),
        hyperparameters={
            "config": parameters.config[kind],
            "tracking.experiment": f"{config.mlflow_experiment}-{kind}",
            **training.overrides,
        },
    )
    arguments = trainer.train(
        input_data_config=[
            InputData(channel_name=name, data_source=uri) for name, uri in channels.items()
        ]
    )
    return TrainingStep(
        name=name,
        step_args=arguments,
        cache_config=_cache(config),
        retry_policies=_retries(),
    )


def _environment(config: PipelineConfig) -> dict[str, str]:
    """Managed MLflow by its ARN, which the sagemaker-mlflow plug-in reads."""
    return {} if config.mlflow_arn is None else {"MLFLOW_TRACKING_URI": config.mlflow_arn}


def _cache(config: PipelineConfig) -> CacheConfig | None:
    from sagemaker.mlops.workflow.steps import CacheConfig

    if not config.cache_days:
        return None
    return CacheConfig(enable_caching=True, expire_after=f"P{config.cache_days}D")


def _retries() -> list[Any]:
    """What another attempt may mend: the service's own errors, and no capacity for now."""
    from sagemaker.mlops.workflow.retry import (
        SageMakerJobExceptionTypeEnum,
        SageMakerJobStepRetryPolicy,
        StepExceptionTypeEnum,
        StepRetryPolicy,
    )

    return [
        StepRetryPolicy(
            exception_types=[
                StepExceptionTypeEnum.SERVICE_FAULT,
                StepExceptionTypeEnum.THROTTLING,
            ],
            interval_seconds=30,
            max_attempts=5,
        ),
        SageMakerJobStepRetryPolicy(
            exception_types=[
                SageMakerJobExceptionTypeEnum.CAPACITY_ERROR,
                SageMakerJobExceptionTypeEnum.INTERNAL_ERROR,
            ],
            interval_seconds=300,
            max_attempts=5,
        ),
    ]
