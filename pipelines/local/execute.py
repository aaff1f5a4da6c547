"""Executes a definition: steps in the order of their references, as many at a time as allowed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.evaluation.reports import now
from pipelines.definition.check import all_steps
from pipelines.local.cache import StepCache
from pipelines.local.expressions import Scope, evaluate, holds
from pipelines.local.graph import dependencies, not_chosen
from pipelines.local.jobs import Job, Machine, run_processing, run_training
from pipelines.local.state import ExecutionState, StepState

Register = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Registers a model: called with a key that is the same in every attempt, and a
CreateModelPackage request; returns what DescribeModelPackage would tell."""
Notice = Callable[[str], None]


@dataclass(frozen=True)
class Home:
    """What an execution runs with. work: folder of the jobs' folders, of one execution a time."""

    work: Path
    machine: Machine
    cache: StepCache
    register: Register
    parallel: int
    notice: Notice


class Execution:
    """One execution of a definition, in a folder of its own; `run` also goes on with a killed one.

    The state is written before a step begins and after it ends. A step that was interrupted is
    done again, with its checkpoints; one that is done is not.
    """

    def __init__(
        self, definition: dict[str, Any], state: ExecutionState, folder: Path, home: Home
    ) -> None:
        self._steps = {step["Name"]: step for step in all_steps(definition["Steps"])}
        self._waits_for = dependencies(definition)
        self._state = state
        self._folder = folder
        self._home = home
        self._stop = threading.Event()
        self._saving = threading.Lock()
        self._left_out: set[str] = set()

    def run(self) -> ExecutionState:
        """Run to the end; the state says whether it succeeded, and if not, why.

        Whatever unwinds it (Ctrl-C, SIGTERM) ends the programs that run; the state stays
        resumable.
        """
        state = self._state
        for name, step in list(state.steps.items()):
            if step.status == "Succeeded":
                self._leave_out(name, step)
            else:
                del state.steps[name]
        with ThreadPoolExecutor(self._home.parallel, thread_name_prefix="step") as pool:
            try:
                self._run_all(pool)
            except BaseException:
                self._stop.set()
                raise
        failed = [(name, s) for name, s in state.steps.items() if s.status == "Failed"]
        state.status = "Failed" if failed else "Succeeded"
        state.failure = "; ".join(f"{name}: {step.failure}" for name, step in failed) or None
        state.ended = now()
        self._save()
        return state

    def _run_all(self, pool: ThreadPoolExecutor) -> None:
        running: dict[Future[None], str] = {}
        while True:
            with self._saving:
                failed = any(step.status == "Failed" for step in self._state.steps.values())
            if not failed:
                for name in self._ready(set(running.values())):
                    running[pool.submit(self._run_step, name)] = name
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                future.result()  # a defect of this program, not of a step, surfaces here

    def _ready(self, running: set[str]) -> list[str]:
        def done(name: str) -> bool:
            step = self._state.steps.get(name)
            return step is not None and step.status == "Succeeded"

        return [
            name
            for name, before in self._waits_for.items()
            if name not in self._left_out
            and name not in running
            and name not in self._state.steps
            and all(done(other) for other in before)
        ]

    def _run_step(self, name: str) -> None:
        step = self._steps[name]
        self._set(name, StepState("Executing", now()))
        try:
            properties, cached = self._result(step)
        except FaceFlowError as error:
            if self._stop.is_set():
                return  # interrupted, not failed: the state says it was executing
            started = self._state.steps[name].started
            self._set(name, StepState("Failed", started, now(), failure=str(error)))
            self._home.notice(f"{name}: failed: {error}")
            return
        started = self._state.steps[name].started
        result = StepState("Succeeded", started, now(), properties, cached=cached)
        self._leave_out(name, result)
        self._set(name, result)
        self._home.notice(f"{name}: {_said(step, result)}")

    def _result(self, step: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        """A step's properties, and the execution that they come from if it was an earlier one."""
        scope = self._scope()
        name, kind, arguments = step["Name"], step["Type"], step["Arguments"]
        if kind == "Condition":
            return {"Outcome": all(holds(c, scope) for c in arguments["Conditions"])}, None
        request = evaluate(arguments, scope)
        if kind == "Fail":
            raise FaceFlowError(request["ErrorMessage"])
        job_name = f"pipelines-{self._state.execution_id}-{name}"
        if kind == "RegisterModel":
            return self._home.register(job_name, request), None
        caching = step.get("CacheConfig", {})
        cache, key = self._home.cache, ""
        if caching.get("Enabled"):
            key = cache.key(self._state.pipeline, step, request)
            hit = cache.find(key, caching.get("ExpireAfter"))
            if hit is not None:
                return hit.properties, hit.execution_id
        job = Job(job_name, self._home.work / name, self._folder / "steps" / name / "log.txt")
        for folder in (job.folder, job.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self._home.notice(f"{name}: running (log: {job.log})")
        runner = run_training if kind == "Training" else run_processing
        properties = runner(job, request, self._home.machine, self._stop)
        if key:
            cache.keep(key, properties, self._state.execution_id)
        return properties, None

    def _scope(self) -> Scope:
        state = self._state
        execution = {
            "PipelineName": state.pipeline,
            "PipelineArn": f"arn:aws:sagemaker:local:000000000000:pipeline/{state.pipeline}",
            "PipelineExecutionId": state.execution_id,
            "PipelineExecutionArn": "arn:aws:sagemaker:local:000000000000:pipeline/"
            f"{state.pipeline}/execution/{state.execution_id}",
            "StartDateTime": state.started,
            "CurrentDateTime": now(),
        }
        with self._saving:
            done = {
                name: step.properties
                for name, step in state.steps.items()
                if step.status == "Succeeded"
            }
        return Scope(state.parameters, execution, done, self._property_file)

    def _property_file(self, step: str, name: str) -> str:
        file = next(
            file
            for file in self._steps[step].get("PropertyFiles", [])
            if file["PropertyFileName"] == name
        )
        outputs = self._state.steps[step].properties["ProcessingOutputConfig"]["Outputs"]
        uri = outputs[file["OutputName"]]["S3Output"]["S3Uri"]
        return self._home.machine.store.read_text(f"{uri}/{file['FilePath']}")

    def _leave_out(self, name: str, result: StepState) -> None:
        step = self._steps[name]
        if step["Type"] == "Condition":
            self._left_out |= not_chosen(step, bool(result.properties["Outcome"]))

    def _set(self, name: str, step: StepState) -> None:
        with self._saving:
            self._state.steps[name] = step
            self._state.save(self._folder)

    def _save(self) -> None:
        with self._saving:
            self._state.save(self._folder)


def merge_parameters(definition: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of an execution: ``given`` as text, read by their types, over the defaults.

    Raises:
        ConfigError: an unknown parameter, one without a value, or a value of another type.
    """
    declared = {parameter["Name"]: parameter for parameter in definition["Parameters"]}
    unknown = set(given) - set(declared)
    if unknown:
        raise ConfigError(
            f"no parameter {', '.join(sorted(unknown))}; there are: {', '.join(declared)}"
        )
    merged = {}
    for name, parameter in declared.items():
        if name in given:
            merged[name] = _typed(parameter, given[name])
        elif "DefaultValue" in parameter:
            merged[name] = parameter["DefaultValue"]
        else:
            raise ConfigError(f"parameter {name} needs a value")
    return merged


def _typed(parameter: Mapping[str, Any], text: str) -> Any:
    name, kind = parameter["Name"], parameter["Type"]
    allowed = parameter.get("EnumValues")
    if allowed and text not in allowed:
        raise ConfigError(f"parameter {name} is one of {', '.join(allowed)}, not {text!r}")
    if kind == "String":
        return text
    try:
        value = json.loads(text, parse_constant=_no_number)
    except ValueError:
        value = text
    types: dict[str, tuple[type, ...]] = {
        "Integer": (int,),
        "Float": (int, float),
        "Boolean": (bool,),
    }
    if not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "Boolean"):
        raise ConfigError(f"parameter {name} is of type {kind}, got {text!r}")
    return value


def _no_number(constant: str) -> float:
    # Python's JSON has NaN and Infinity; a bound that is one holds nobody up, or everybody.
    raise ValueError(f"{constant} is no number")


def _said(step: Mapping[str, Any], result: StepState) -> str:
    if step["Type"] == "Condition":
        return "passed" if result.properties["Outcome"] else "not passed"
    if result.cached:
        return f"reused from execution {result.cached}"
    return f"done: {said}" if (said := result.properties.get("ExitMessage")) else "done"
