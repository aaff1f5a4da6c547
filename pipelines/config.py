"""Typed configuration of the pipeline and of deployment: YAML, with dotted overrides.

What is here is fixed when the definition is compiled. What may change from one execution to the
next (data, configurations, instance types, thresholds) is a parameter of the pipeline, whose
default is here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from faceflow_ml.inference.pretrained import Kind
from faceflow_ml.training.config import Section, load_config
from pipelines.kinds import KINDS

S3Uri = Annotated[str, StringConstraints(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")]
RoleArn = Annotated[
    str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+$")
]
MlflowArn = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:mlflow-(tracking-server|app)/.+$"
    ),
]
Command = Annotated[list[str], Field(min_length=1)]


class SyntheticConfig(Section):
    """Fictional people to render where the data hold none; 0 photos: the data are as they are."""

    photos: int = Field(0, ge=0, description="photos with boxes, in each split")
    people: int = Field(0, ge=0, description="people with aligned faces, in each split")
    faces: int = Field(8, ge=2, description="aligned faces of each")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.photos) != bool(self.people):
            raise ValueError("give both synthetic.photos and synthetic.people, or neither")
        if self.people == 1:
            raise ValueError("synthetic.people: telling people apart takes at least 2")
        return self


class TrainingConfig(Section):
    """A training job, its configuration and what its model must reach.

    minimum: of the headline metric (average precision; true accept rate at a false accept rate of
    1e-3). tolerance: how much worse than the champion is still "not worse"; see
    docs/decisions/0022-not-worse-than-the-champion.md.
    """

    config: str = Field(description="training configuration in the image: detector/gpu")
    overrides: dict[str, str | int | float | bool] = Field(
        default={}, description="dotted keys that differ from the configuration"
    )
    instance_type: str = "ml.g5.2xlarge"
    instance_count: int = Field(1, ge=1, description="more than one: DDP over instances")
    volume_gb: int = Field(100, ge=1)
    spot: bool = True
    max_hours: float = Field(24.0, gt=0, le=120, description="of training")
    max_wait_hours: float = Field(48.0, gt=0, le=168, description="spot: of training and waiting")
    minimum: float = Field(ge=0, le=1)
    tolerance: float = Field(0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _keys_and_times(self) -> Self:
        plain = [key for key in self.overrides if "." not in key]
        if plain:
            raise ValueError(f"overrides need section.key, got {', '.join(plain)}")
        if self.spot and self.max_wait_hours < self.max_hours:
            raise ValueError("max_wait_hours must be at least max_hours")
        return self


class ProcessingConfig(Section):
    """Jobs that prepare data and evaluate."""

    instance_type: str = "ml.m5.2xlarge"
    volume_gb: int = Field(100, ge=1)
    max_hours: float = Field(6.0, gt=0, le=120)


class RetrainingConfig(Section):
    """The pipeline begins with a gate, and trains the embedder on people's corrections too.

    See `pipelines.retraining.place` for what lies where.
    """

    corrections: S3Uri = Field(
        pattern=r"[^/]$", description="export/, and leave-out.txt beside it if there is one"
    )
    needed: int = Field(200, ge=0, description="new corrections to go on with")
    least_faces: int = Field(2, ge=2, description="of an identity that is trained on")
    instance_type: str = Field("ml.t3.medium", description="of the gate and of what only copies")


class EndpointConfig(Section):
    """A SageMaker endpoint and how traffic moves to a new model."""

    name: Name
    variant: Name = "all"
    serverless: bool = False
    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144] = 4096
    max_concurrency: int = Field(20, ge=1, le=200)
    instance_type: str = "ml.c6i.xlarge"
    instance_count: int = Field(2, ge=1)
    traffic: Literal["canary", "linear", "all_at_once"] = "canary"
    step_percent: int = Field(10, ge=1, le=50, description="canary or linear: share of a step")
    bake_seconds: int = Field(600, ge=0, le=3600, description="watched before the next step")
    termination_wait_seconds: int = Field(300, ge=0, le=3600, description="the old fleet is kept")
    alarms: list[str] = Field(  # SageMaker watches ten, two of which are ours
        default=[], max_length=8, description="CloudWatch; one rings: back"
    )
    alarm_error_rate: float = Field(0.01, gt=0, le=1, description="5xx share: an alarm of our own")
    alarm_latency_ms: float = Field(2000.0, gt=0, description="p99 model latency: another one")

    @model_validator(mode="after")
    def _canary_needs_instances(self) -> Self:
        if not self.serverless and self.traffic != "all_at_once" and self.instance_count < 2:
            raise ValueError(
                f"{self.traffic} traffic shifting needs instance_count of at least 2: "
                "a share of one instance cannot be split"
            )
        if self.traffic == "linear" and self.step_percent < 10:
            raise ValueError("linear traffic shifting needs step_percent of at least 10")
        if self.steps * self.bake_seconds + self.termination_wait_seconds > 7 * 3600:
            raise ValueError("bake_seconds over all steps must fit in the 8 hours of an update")
        return self

    @property
    def steps(self) -> int:
        """How many times traffic moves."""
        linear = -(-100 // self.step_percent)
        return {"canary": 2, "linear": linear, "all_at_once": 1}[self.traffic]


class ServerConfig(Section):
    """A server on this machine."""

    command: Command = Field(description="started with serve --port N --model-dir DIR")
    start_seconds: float = Field(180.0, gt=0, description="until /ping answers 200")
    shadow_images: int = Field(8, ge=1, description="images both servers answer for comparison")
    shadow_failures: int = Field(0, ge=0, description="answers of the new server that may fail")


class DeployConfig(Section):
    """Deployment of both models.

    after_contract_change: a command that is run when a new embedder changes the contract id, such
    as the application's job that embeds every album again. It gets FACEFLOW_OLD_CONTRACT_ID,
    FACEFLOW_NEW_CONTRACT_ID and FACEFLOW_WEIGHTS (a weights folder of the models that are to
    serve), must be resumable, and exits 0 when done.
    """

    endpoints: dict[Kind, EndpointConfig]
    servers: dict[Kind, ServerConfig]
    after_contract_change: list[str] = Field(default=[])

    @model_validator(mode="after")
    def _both_kinds(self) -> Self:
        for field in ("endpoints", "servers"):
            missing = set(KINDS) - set(getattr(self, field))
            if missing:
                raise ValueError(f"{field} lacks {', '.join(sorted(missing))}")
        return self


class LocalConfig(Section):
    """Execution on this machine.

    root: runs, the object store that stands for S3, the cache, the deployment's state.
    images: command that stands for an image, by a part of the image's URI; arguments follow.
    code: what stands for the images' digest. Without it, that is the fingerprint of all code: a
    change anywhere makes every step anew.
    """

    root: Path = Path("runs/pipeline")
    tracking_uri: str | None = Field(None, description="MLflow; default: SQLite under root")
    images: dict[str, Command] = Field(default={})
    code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    parallel: int = Field(2, ge=1, description="steps at a time")
    approval: Literal["automatic", "manual"] = "manual"


class PipelineConfig(Section):
    """Everything the definition is compiled from, and what deployment needs."""

    name: Name = "faceflow"
    region: str = Field("eu-west-1", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    role: RoleArn
    store: S3Uri = Field(description="prefix of everything the pipeline writes")
    data: S3Uri = Field(description="detection/ and identities/, Parquet shards of train and val")
    images: dict[Kind, str]
    groups: dict[Kind, Name] = Field(
        default={"detector": "faceflow-detector", "embedder": "faceflow-embedder"}
    )
    mlflow_arn: MlflowArn | None = None
    mlflow_experiment: str = "faceflow"
    cache_days: int = Field(30, ge=0, description="reuse of earlier steps; 0: never")
    synthetic: SyntheticConfig = SyntheticConfig()
    retraining: RetrainingConfig | None = Field(None, description="None: train on the data alone")
    processing: ProcessingConfig = ProcessingConfig()
    detector: TrainingConfig
    embedder: TrainingConfig
    deploy: DeployConfig
    local: LocalConfig = LocalConfig()

    @model_validator(mode="after")
    def _both_kinds(self) -> Self:
        for field in ("images", "groups"):
            missing = set(KINDS) - set(getattr(self, field))
            if missing:
                raise ValueError(f"{field} lacks {', '.join(sorted(missing))}")
        return self

    def training(self, kind: Kind) -> TrainingConfig:
        """The training job of a kind of model."""
        return self.detector if kind == "detector" else self.embedder

    def artifacts(self) -> Path | None:
        """Where files of MLflow runs go on this machine; None: where a configured store says."""
        return None if self.local.tracking_uri else self.local.root.resolve() / "artifacts"

    def tracking_uri(self) -> str:
        """MLflow's store for runs and the registry on this machine."""
        database = self.local.root.resolve() / "mlflow.db"
        return self.local.tracking_uri or f"sqlite:///{database}"


def load_pipeline_config(file: Path, overrides: list[str] | None = None) -> PipelineConfig:
    """Read and validate; overrides are ``section.key=value`` words.

    Raises:
        ConfigError: no such file, an unknown key or a value out of range; the message names it.
    """
    return load_config(PipelineConfig, file, overrides or [], environment={})
