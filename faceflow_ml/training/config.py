"""Typed training configuration: YAML files, dotted overrides, SageMaker's environment.

Later sources win: the file, then ``SM_HPS`` and ``SM_CHANNEL_*`` when SageMaker set them, then
``key=value`` words of the command line. Unknown keys are errors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from faceflow_ml.errors import ConfigError
from faceflow_ml.settings import explain


class Section(BaseModel):
    """A part of a configuration that rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


class OptimConfig(Section):
    """SGD with Nesterov momentum, or AdamW, under a warm-up and a decay over the whole run."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    warmup_steps: int = Field(200, ge=0)
    schedule: Literal["cosine", "polynomial"] = "cosine"
    power: float = Field(2.0, gt=0, description="exponent of the polynomial decay")
    final_lr_fraction: float = Field(0.0, ge=0, le=1)
    clip_norm: float | None = Field(5.0, gt=0)


class RunConfig(Section):
    """How long, how exactly and on what to train."""

    output: Path = Field(Path("runs/train"), description="checkpoints, plots, resolved config")
    epochs: int = Field(10, ge=1)
    max_steps: int | None = Field(
        None, ge=1, description="stop here; schedules still span all epochs"
    )
    seed: int = Field(0, ge=0)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"
    channels_last: bool = True
    compile: bool = False
    accumulate: int = Field(1, ge=1)
    ema_decay: float | None = Field(0.999, gt=0, lt=1)
    ema_every: int = Field(4, ge=1, description="steps between updates of the average")
    checkpoint_every: int = Field(100, ge=1, description="steps between resumable checkpoints")
    validate_every: int = Field(1, ge=1, description="epochs between validations")
    patience: int | None = Field(None, ge=1, description="validations without gain before stopping")
    log_every: int = Field(20, ge=1)
    accelerator: str = "auto"
    devices: int | Literal["auto"] = "auto"
    nodes: int = Field(1, ge=1)
    threads: int | None = Field(None, ge=1, description="CPU threads; the machine's own choice")
    init_from: Path | None = Field(
        None, description="checkpoint, or exported ONNX, whose weights to start from"
    )


class TrackingConfig(Section):
    """MLflow: where, and under which names."""

    uri: str | None = Field(
        None, description="default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db"
    )
    experiment: str | None = Field(
        None, description="default: the parent run's, MLFLOW_EXPERIMENT_NAME, else faceflow-KIND"
    )
    run_name: str | None = None
    parent_run: str | None = Field(
        None, description="id of the run to nest in; default: the one that is active, if any"
    )
    system_metrics: bool = Field(True, description="record use of CPU, memory, disk and GPU")
    log_checkpoint: bool = Field(False, description="keep the best checkpoint as an artifact too")
    enabled: bool = True


class IdentityDataConfig(Section):
    """Aligned faces: Parquet shards or a folder per person, and fictional people."""

    train: Path | None = Field(None, description="without it, fictional people only")
    val: Path | None = None
    labels: Path | None = Field(
        None, description="better labels of train, written by `faceflow-ml data clean`"
    )
    strangers: Path | None = Field(
        None, description="faces of other people to add, written by `faceflow-ml data strangers`"
    )
    cache: Path = Path(".cache/faceflow")
    batch_size: int = Field(256, ge=2)
    workers: int = Field(1, ge=0)
    limit: int | None = Field(None, ge=2, description="use only the first samples")
    balance: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="0: each face once an epoch; towards 1: identities alike, however many faces "
        "they have (beta of samplers.class_balanced_weights)",
    )
    synthetic_people: int = Field(0, ge=0, description="fictional people mixed in")
    synthetic_faces: int = Field(8, ge=1, description="faces of each fictional person")

    @model_validator(mode="after")
    def _some_data(self) -> Self:
        if self.train is None and not self.synthetic_people:
            raise ValueError("give data.train, data.synthetic_people or both")
        return self


class EmbedderDataConfig(IdentityDataConfig):
    """The same, and how evenly the faces are placed."""

    aligner: str | None = Field(
        None,
        description="weights whose aligner places every face again, as it does behind a detector: "
        "a name of the manifest, an .onnx file or a folder",
    )
    jitter: float = Field(
        1.0,
        ge=0,
        le=1,
        description="how far augmentation moves, turns and scales faces: 1 as far off as landmarks "
        "of a detector put them, less where an aligner corrects those",
    )
    turn: float = Field(
        0.0,
        ge=0,
        le=30,
        description="most degrees by which augmentation turns half of the faces out of the plane",
    )
    shapes: int = Field(
        0,
        ge=0,
        le=8,
        description="other shapes in which every person is seen again, as another person",
    )
    combinations: int = Field(
        0,
        ge=0,
        le=8,
        description="people that every person is put together with, part by part, as another "
        "person; they have other shapes too",
    )


class EmbedderModelConfig(Section):
    """The network."""

    name: str = "iresnet_light"
    input_size: int = Field(112, ge=32, multiple_of=16)
    dropout: float = Field(0.0, ge=0, lt=1)


class HeadConfig(Section):
    """The margin softmax that trains it; ``start`` and ``end`` as in `losses.margin.margin_at`."""

    # Written out: deployment reads configurations without PyTorch, which `models.heads` imports.
    kind: Literal["arcface", "cosface", "adaface"] = "arcface"
    scale: float = Field(32.0, gt=0)
    margin: float = Field(0.3, ge=0, lt=1.5)
    margin_start: float = Field(0.4, ge=0, le=1)
    margin_end: float = Field(0.7, ge=0, le=1)
    sub_centres: int = Field(1, ge=1)
    sample_rate: float = Field(1.0, gt=0, le=1)


class DistilConfig(Section):
    """Embedders to learn from, beside the labels."""

    teachers: list[Path] = Field(
        [],
        description="checkpoints, or exports in single or half precision, whose embeddings of the "
        "same augmented faces are averaged; they must come from one start",
    )
    weight: float = Field(
        100.0, gt=0, description="of 1 - the cosine to the teachers, beside the margin softmax"
    )


class EmbedderConfig(Section):
    """Everything that decides what `faceflow-ml train embedder` makes."""

    data: EmbedderDataConfig
    model: EmbedderModelConfig = EmbedderModelConfig()
    head: HeadConfig = HeadConfig()
    distil: DistilConfig = DistilConfig()
    optim: OptimConfig = OptimConfig()
    run: RunConfig = RunConfig()
    tracking: TrackingConfig = TrackingConfig()


class AlignerModelConfig(Section):
    """The network."""

    name: str = "aligner_small"
    dropout: float = Field(0.1, ge=0, lt=1)


class AlignerConfig(Section):
    """Everything that decides what `faceflow-ml train aligner` makes."""

    data: IdentityDataConfig
    model: AlignerModelConfig = AlignerModelConfig()
    optim: OptimConfig = OptimConfig()
    run: RunConfig = RunConfig()
    tracking: TrackingConfig = TrackingConfig()


class PhotoDataConfig(Section):
    """Photos with boxes: Parquet shards, and photos of fictional people."""

    train: Path | None = Field(None, description="without it, fictional people only")
    val: Path | None = None
    cache: Path = Path(".cache/faceflow")
    batch_size: int = Field(32, ge=1)
    workers: int = Field(1, ge=0)
    limit: int | None = Field(None, ge=1, description="use only the first photos")
    synthetic_photos: int = Field(0, ge=0, description="photos of fictional people mixed in")

    @model_validator(mode="after")
    def _some_data(self) -> Self:
        if self.train is None and not self.synthetic_photos:
            raise ValueError("give data.train, data.synthetic_photos or both")
        return self


class DetectionDataConfig(PhotoDataConfig):
    """Photos with boxes, and how a detector sees them."""

    size: int = Field(320, ge=64, multiple_of=32)
    val_size: int = Field(480, ge=64, multiple_of=32)
    mosaic: float = Field(0.2, ge=0, le=1, description="probability of a mosaic of four photos")


class RefinerDataConfig(PhotoDataConfig):
    """Photos with boxes, and the detector whose candidates in them are judged."""

    batch_size: int = Field(256, ge=2)
    detector: str | None = Field(
        None, description="a name, file or folder; the default detector if not given"
    )


class RefinerModelConfig(Section):
    """The network."""

    name: str = "refiner_small"
    dropout: float = Field(0.2, ge=0, lt=1)


class RefinerConfig(Section):
    """Everything that decides what `faceflow-ml train refiner` makes."""

    data: RefinerDataConfig
    model: RefinerModelConfig = RefinerModelConfig()
    optim: OptimConfig = OptimConfig()
    run: RunConfig = RunConfig()
    tracking: TrackingConfig = TrackingConfig()


class DetectorModelConfig(Section):
    """The network."""

    name: str = "mobilenetv3_fpn_small"


class DetectionLossConfig(Section):
    """Kinds and weights of the terms; see `faceflow_ml.losses`.

    score_kind: ``focal`` draws every point that answers for a face towards 1, however well its box
        fits.
    """

    assigner: Literal["atss", "simota"] = "atss"
    score_kind: Literal["quality_focal", "focal"] = "quality_focal"
    box_kind: Literal["diou", "giou"] = "diou"
    score: float = Field(1.0, gt=0)
    box: float = Field(2.0, gt=0)
    landmark: float = Field(1.0, ge=0)


class DetectorConfig(Section):
    """Everything that decides what `faceflow-ml train detector` makes."""

    data: DetectionDataConfig
    model: DetectorModelConfig = DetectorModelConfig()
    loss: DetectionLossConfig = DetectionLossConfig()
    optim: OptimConfig = OptimConfig()
    run: RunConfig = RunConfig()
    tracking: TrackingConfig = TrackingConfig()


Config = TypeVar("Config", bound=Section)


def load_config(
    kind: type[Config],
    file: Path,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Read a configuration.

    Args:
        kind: the model to validate against.
        file: YAML.
        overrides: ``section.key=value`` words; values are YAML.
        environment: where SageMaker's variables are looked up.

    Raises:
        ConfigError: the file is missing or no YAML mapping, a word has no ``=``, a key is unknown
            or a value is out of range. The message names each offending key.
    """
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {file}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} must hold a mapping of sections, got {type(tree).__name__}")
    for key, value in _sagemaker_values(environment):
        _set(tree, key, value)
    for word in overrides:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ConfigError(f"expected key=value, got {word!r}")
        _set(tree, key, _yaml_value(key, text))
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"bad configuration {file}: {explain(error)}") from error


def save_config(config: Section, file: Path) -> None:
    """Write the resolved configuration as YAML, in one step."""
    from faceflow_ml.files import atomic_write_text

    atomic_write_text(file, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def _sagemaker_values(environment: Mapping[str, str]) -> list[tuple[str, Any]]:
    """SageMaker's hyperparameters and channels as dotted keys and values."""
    values: list[tuple[str, Any]] = []
    if "SM_HPS" in environment:
        try:
            hyperparameters = json.loads(environment["SM_HPS"])
        except json.JSONDecodeError as error:
            raise ConfigError(f"SM_HPS is not valid JSON: {error}") from error
        if not isinstance(hyperparameters, dict):
            raise ConfigError("SM_HPS must hold a JSON object of names and values")
        # SageMaker passes every value as text, so that it is read like one of the command line.
        # Names without a dot belong to the SDK or to the entry point.
        values += [
            (key, _yaml_value(key, value) if isinstance(value, str) else value)
            for key, value in hyperparameters.items()
            if "." in key
        ]
    for channel, key in (("TRAIN", "data.train"), ("VAL", "data.val")):
        if f"SM_CHANNEL_{channel}" in environment:
            values.append((key, environment[f"SM_CHANNEL_{channel}"]))
    if "SM_OUTPUT_DATA_DIR" in environment:
        # Checkpoints go where SageMaker mirrors them to S3 if the job asks for it.
        values.append(("run.output", environment.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints")))
    return values


def _yaml_value(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of {key} is not valid YAML: {text!r}") from error


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"cannot set {key}: {parent} is not a section")
        node = child
    node[last] = value
