"""What may change from one execution of the pipeline to the next, with the configured defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faceflow_ml.inference.pretrained import Kind
from pipelines.config import PipelineConfig
from pipelines.kinds import KINDS
from pipelines.registry import APPROVED, PENDING

if TYPE_CHECKING:
    from sagemaker.core.workflow.parameters import (
        ParameterFloat,
        ParameterInteger,
        ParameterString,
    )


@dataclass(frozen=True)
class Parameters:
    """The pipeline's parameters.

    ``data`` is None where fictional people take its place, ``corrections`` and ``needed`` are where
    the pipeline does not retrain.
    """

    data: ParameterString | None
    corrections: ParameterString | None
    needed: ParameterInteger | None
    processing_instance: ParameterString
    approval: ParameterString
    image: dict[Kind, ParameterString]
    config: dict[Kind, ParameterString]
    instance_type: dict[Kind, ParameterString]
    instance_count: dict[Kind, ParameterInteger]
    minimum: dict[Kind, ParameterFloat]
    tolerance: dict[Kind, ParameterFloat]

    def declared(self) -> list[Any]:
        """All of them, in the order of the definition."""
        general = [
            *(self.data, self.corrections, self.needed),
            *(self.processing_instance, self.approval),
        ]
        of_kinds = (
            self.image,
            self.config,
            self.instance_type,
            self.instance_count,
            self.minimum,
            self.tolerance,
        )
        return [
            *(parameter for parameter in general if parameter is not None),
            *(by_kind[kind] for kind in KINDS for by_kind in of_kinds),
        ]


def declare(config: PipelineConfig) -> Parameters:
    """The parameters, with defaults from ``config``."""
    from sagemaker.core.workflow.parameters import (
        ParameterFloat,
        ParameterInteger,
        ParameterString,
    )

    def names(what: str) -> dict[Kind, str]:
        return {"detector": f"Detector{what}", "embedder": f"Embedder{what}"}

    def text(what: str, values: dict[Kind, str]) -> dict[Kind, ParameterString]:
        return {k: ParameterString(names(what)[k], default_value=values[k]) for k in KINDS}

    def number(what: str, values: dict[Kind, float]) -> dict[Kind, ParameterFloat]:
        return {k: ParameterFloat(names(what)[k], default_value=values[k]) for k in KINDS}

    training = {kind: config.training(kind) for kind in KINDS}
    retraining = config.retraining
    return Parameters(
        data=None
        if config.synthetic.photos
        else ParameterString("DataUri", default_value=config.data),
        corrections=None
        if retraining is None
        else ParameterString("CorrectionsUri", default_value=retraining.corrections),
        needed=None
        if retraining is None
        else ParameterInteger("CorrectionsNeeded", default_value=retraining.needed),
        processing_instance=ParameterString(
            "ProcessingInstanceType", default_value=config.processing.instance_type
        ),
        approval=ParameterString(
            "ApprovalStatus",
            default_value=PENDING,
            enum_values=[PENDING, APPROVED],
        ),
        image=text("Image", {k: config.images[k] for k in KINDS}),
        config=text("Config", {k: training[k].config for k in KINDS}),
        instance_type=text("InstanceType", {k: training[k].instance_type for k in KINDS}),
        instance_count={
            k: ParameterInteger(names("InstanceCount")[k], default_value=training[k].instance_count)
            for k in KINDS
        },
        minimum=number("Minimum", {k: training[k].minimum for k in KINDS}),
        tolerance=number("Tolerance", {k: training[k].tolerance for k in KINDS}),
    )
