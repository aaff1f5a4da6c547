"""The steps of the retraining pipeline that are about corrections: see docs/retraining.md.

The gate is the first step of all. What follows it hangs on its answer; where it is no, the
execution ends as a success whose last step says why, since having nothing to do is no failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipelines.config import PipelineConfig, RetrainingConfig
from pipelines.definition.jobs import INPUT, OUTPUT, processing_step
from pipelines.definition.parameters import Parameters
from pipelines.retraining.place import TRAINED

if TYPE_CHECKING:
    from sagemaker.core.workflow.functions import JsonGet
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.steps import ProcessingStep, Step

_INPUT = f"{INPUT}/corrections"


@dataclass(frozen=True)
class Mixed:
    """What the embedder trains on: the step, the place of its shards, and their fingerprint."""

    step: ProcessingStep
    train: Any
    report: Any
    fingerprint: JsonGet


@dataclass(frozen=True)
class Corrections:
    """Makes the steps about corrections of one pipeline."""

    config: PipelineConfig
    retraining: RetrainingConfig
    session: PipelineSession
    parameters: Parameters

    @cached_property
    def gate(self) -> ProcessingStep:
        """The first step: counts what is new since a model last learned from corrections."""
        from sagemaker.core.workflow.functions import Join
        from sagemaker.core.workflow.properties import PropertyFile

        assert self.parameters.needed is not None
        return processing_step(
            "CheckCorrections",
            self.config,
            self.session,
            self.parameters,
            kind="embedder",
            instance_type=self.retraining.instance_type,
            arguments=[
                "gate",
                f"--corrections={_INPUT}",
                f"--out={OUTPUT}/gate",
                Join(on="", values=["--needed=", self.parameters.needed.to_string()]),
            ],
            inputs={"corrections": self.parameters.corrections},
            outputs={"gate": None},
            property_files=[PropertyFile(name="Gate", output_name="gate", path="gate.json")],
            cached=False,  # what lies there may have changed
        )

    def enough(self, steps: list[Step]) -> ConditionStep:
        """``steps``, or the end that says why there are none."""
        from sagemaker.core.workflow.conditions import ConditionEquals
        from sagemaker.core.workflow.functions import Join
        from sagemaker.mlops.workflow.condition_step import ConditionStep

        skip = processing_step(
            "Skip",
            self.config,
            self.session,
            self.parameters,
            kind="embedder",
            instance_type=self.retraining.instance_type,
            arguments=["skip", Join(on="", values=["--reason=", self._of_gate("reason")])],
            outputs={},
            property_files=[],
            cached=False,
        )
        return ConditionStep(
            name="EnoughCorrections",
            conditions=[ConditionEquals(left=self._of_gate("train"), right=1)],
            if_steps=steps,
            else_steps=[skip],
        )

    def mix(self, faces: Any, champion: JsonGet) -> Mixed:
        """Corrected faces before ``faces``, the S3 URI of the data's."""
        from sagemaker.core.workflow.functions import JsonGet
        from sagemaker.core.workflow.properties import PropertyFile

        report = PropertyFile(name="Mixed", output_name="report", path="data.json")
        outputs: dict[str, Any] = {"train": None, "report": None}
        step = self._of_faces("MixCorrections", "mix", faces, champion, outputs, [report])
        made = step.properties.ProcessingOutputConfig.Outputs
        return Mixed(
            step,
            made["train"].S3Output.S3Uri,
            made["report"].S3Output.S3Uri,
            JsonGet(step_name=step.name, property_file=report, json_path="fingerprint"),
        )

    def report(self, faces: Any, champion: JsonGet) -> ProcessingStep:
        """Quality of the corrected faces, and their drift from ``faces``: for people to read."""
        outputs: dict[str, Any] = {"quality": None, "drift": None}
        return self._of_faces("ReportCorrections", "report", faces, champion, outputs, [])

    def _of_faces(
        self,
        name: str,
        command: str,
        faces: Any,
        champion: JsonGet,
        outputs: dict[str, Any],
        property_files: list[PropertyFile],
    ) -> ProcessingStep:
        """A job that reads the corrections and the embedder's data.

        The folder of corrections keeps its URI when its content changes: what tells SageMaker's
        cache is the fingerprint, among the arguments.
        """
        from sagemaker.core.workflow.functions import Join

        return processing_step(
            name,
            self.config,
            self.session,
            self.parameters,
            kind="embedder",
            arguments=[
                command,
                f"--corrections={_INPUT}",
                f"--data={INPUT}/data",
                f"--champion={INPUT}/champion",
                f"--out={OUTPUT}",
                f"--least-faces={self.retraining.least_faces}",
                Join(on="", values=["--fingerprint=", self._of_gate("fingerprint")]),
            ],
            inputs={
                "corrections": self.parameters.corrections,
                "data": faces,
                "champion": champion,
            },
            outputs=outputs,
            property_files=property_files,
        )

    def remember(self, mixed: Mixed, evaluated: list[Step]) -> ProcessingStep:
        """Once the models are measured, what they learned from is not new any more.

        Even if they are refused then: the same corrections would make the same models.
        """
        from sagemaker.core.workflow.functions import Join

        return processing_step(
            "RememberCorrections",
            self.config,
            self.session,
            self.parameters,
            kind="embedder",
            instance_type=self.retraining.instance_type,
            arguments=["remember", f"--report={INPUT}/report", f"--out={OUTPUT}/{TRAINED}"],
            inputs={"report": mixed.report},
            outputs={TRAINED: Join(on="/", values=[self.parameters.corrections, TRAINED])},
            property_files=[],
            cached=False,  # its output is no part of the cache's key
            depends_on=evaluated,
        )

    def _of_gate(self, path: str) -> JsonGet:
        from sagemaker.core.workflow.functions import JsonGet

        return JsonGet(step_name=self.gate.name, property_file="Gate", json_path=path)
