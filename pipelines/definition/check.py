"""Would SageMaker take this definition? What can be known without asking it.

Three checks: the document against the schema of definitions of version 2020-12-01; every reference
against the parameters, steps and property files that there are; every step's arguments, with
sample values for what is known at run time only, against the input shape of the API that the step
calls, as the installed botocore knows it, with lengths, ranges, patterns and enumerations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

from faceflow_ml.errors import FaceFlowError

OPERATIONS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "RegisterModel": "CreateModelPackage",
}
# What the service itself adds to a step's request.
_ADDED: dict[str, dict[str, str]] = {
    "Processing": {"ProcessingJobName": "pipelines-example"},
    "Training": {"TrainingJobName": "pipelines-example"},
    "RegisterModel": {},
}
_EXECUTION = {
    "PipelineName": "example",
    "PipelineArn": "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/example",
    "PipelineExecutionId": "abcdefghijkl",
    "PipelineExecutionArn": (
        "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/example/execution/abcdefghijkl"
    ),
    "StartDateTime": "2020-12-01T00:00:00Z",
    "CurrentDateTime": "2020-12-01T00:00:00Z",
}


class DefinitionError(FaceFlowError):
    """A pipeline definition that SageMaker would refuse; the message lists why."""


def all_steps(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every step, those inside conditions included."""
    for step in steps:
        yield step
        if step["Type"] == "Condition":
            yield from all_steps(step["Arguments"].get("IfSteps", []))
            yield from all_steps(step["Arguments"].get("ElseSteps", []))


def check_definition(definition: dict[str, Any]) -> None:
    """Raise DefinitionError with everything that is wrong with a definition."""
    # Each check takes for granted what the one before it found to be so.
    checks = (_schema_problems, _reference_problems, _argument_problems)
    problems = next(filter(None, (list(check(definition)) for check in checks)), [])
    if problems:
        raise DefinitionError("SageMaker would refuse the definition:\n  " + "\n  ".join(problems))


def _schema_problems(definition: dict[str, Any]) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    text = resources.files("pipelines.definition").joinpath("definition.schema.json").read_text()
    for error in Draft202012Validator(json.loads(text)).iter_errors(definition):
        place = "/".join(str(part) for part in error.absolute_path) or "document"
        yield f"{place}: {error.message[:300]}"


def _reference_problems(definition: dict[str, Any]) -> Iterator[str]:
    steps = list(all_steps(definition["Steps"]))
    names = [step["Name"] for step in steps]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"two steps are called {name}"
    parameters = {parameter["Name"] for parameter in definition["Parameters"]}
    files = {
        (step["Name"], file["PropertyFileName"])
        for step in steps
        for file in step.get("PropertyFiles", [])
    }
    for step in steps:
        for reference in references(step["Arguments"], inner=step["Type"] != "Condition"):
            home, _, rest = reference.partition(".")
            first, _, path = rest.partition(".")
            if home == "Parameters" and rest not in parameters:
                yield f"{step['Name']}: no parameter {rest}"
            if home == "Execution" and rest not in _EXECUTION:
                yield f"{step['Name']}: no execution variable {rest}"
            if home == "Steps" and first not in names:
                yield f"{step['Name']}: no step {first}"
            if home == "Steps" and path.startswith("PropertyFiles."):
                wanted = (first, path.removeprefix("PropertyFiles."))
                if first in names and wanted not in files:
                    yield f"{step['Name']}: no property file {wanted[1]} of {first}"


def references(value: Any, *, inner: bool = True) -> Iterator[str]:
    """What ``Get`` expressions anywhere in ``value`` ask for.

    inner: look into the steps of a condition too.
    """
    if isinstance(value, dict):
        if set(value) == {"Get"} and isinstance(value["Get"], str):
            yield value["Get"]
            return
        for key, item in value.items():
            if inner or key not in ("IfSteps", "ElseSteps"):
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def _argument_problems(definition: dict[str, Any]) -> Iterator[str]:
    from botocore.session import Session
    from botocore.validate import ParamValidator

    service = Session().get_service_model("sagemaker")
    parameters = {p["Name"]: p.get("DefaultValue", "example") for p in definition["Parameters"]}
    for step in all_steps(definition["Steps"]):
        operation = OPERATIONS.get(step["Type"])
        if operation is None:
            continue
        shape = service.operation_model(operation).input_shape
        request = _sample(step["Arguments"], parameters) | _ADDED[step["Type"]]
        report = ParamValidator().validate(request, shape)
        if report.has_errors():
            yield f"{step['Name']}: {report.generate_report()}"
        else:
            for problem in _value_problems(request, shape, operation):
                yield f"{step['Name']}: {problem}"


def _sample(value: Any, parameters: dict[str, Any]) -> Any:
    """``value`` with each expression replaced by something of its kind."""
    if isinstance(value, list):
        return [_sample(item, parameters) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"}:
        home, _, rest = value["Get"].partition(".")
        if home == "Parameters":
            return parameters[rest]
        if home == "Execution":
            return _EXECUTION[rest]
        if rest.endswith("Arn"):
            return "arn:aws:sagemaker:eu-west-1:111122223333:training-job/example"
        return "s3://amzn-s3-demo-bucket/example"
    if set(value) == {"Std:Join"}:
        parts = _sample(value["Std:Join"]["Values"], parameters)
        return str(value["Std:Join"]["On"]).join(str(part) for part in parts)
    if set(value) == {"Std:JsonGet"}:
        path = value["Std:JsonGet"]["Path"]
        return "s3://amzn-s3-demo-bucket/example" if path.endswith("_url") else "example"
    return {key: _sample(item, parameters) for key, item in value.items()}


def _value_problems(value: Any, shape: Any, place: str) -> Iterator[str]:
    """What botocore's own validation leaves to the service: patterns, enumerations, lengths."""
    if shape.type_name == "structure":
        for key, item in value.items():
            yield from _value_problems(item, shape.members[key], f"{place}.{key}")
    elif shape.type_name == "list":
        yield from _length_problems(value, shape, place)
        for position, item in enumerate(value):
            yield from _value_problems(item, shape.member, f"{place}[{position}]")
    elif shape.type_name == "map":
        yield from _length_problems(value, shape, place)
        for key, item in value.items():
            yield from _value_problems(key, shape.key, f"{place} key")
            yield from _value_problems(item, shape.value, f"{place}[{key}]")
    elif shape.type_name == "string":
        yield from _length_problems(value, shape, place)
        if shape.enum and value not in shape.enum:
            yield f"{place}: {value!r} is none of the values that the API knows"
        pattern = shape.metadata.get("pattern")
        # Python's re does not know Unicode properties (\p{L}).
        if pattern and "\\p" not in pattern and not re.fullmatch(pattern, value, re.DOTALL):
            yield f"{place}: {value!r} does not match {pattern}"


def _length_problems(value: Any, shape: Any, place: str) -> Iterator[str]:
    longest = shape.metadata.get("max")
    if longest is not None and len(value) > longest:
        yield f"{place}: longer than {longest}"
