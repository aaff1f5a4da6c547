"""``faceflow-ml pipeline``: compile, run, deploy and roll back."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceflow_ml.cli._common import emit_json, fail, say
from faceflow_ml.errors import ConfigError
from pipelines import DEFAULT_CONFIG
from pipelines.aws import aws_failures
from pipelines.options import Json, Parameters, read_parameters

if TYPE_CHECKING:
    from faceflow_ml.inference.pretrained import Kind
    from pipelines.config import PipelineConfig

app = typer.Typer(
    help="Train, evaluate, register and deploy the models, here or on SageMaker.",
    no_args_is_help=True,
)

ConfigFile = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="YAML; see configs/pipeline/.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Values that override the file's."),
]
OnSageMaker = Annotated[bool, typer.Option("--sagemaker", help="On SageMaker, not here.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="detector|embedder", help="Only this model; repeatable."),
]


@app.command(name="compile", epilog="Example: faceflow-ml pipeline compile --out pipeline.json")
def compile_(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the definition.")],
    config: ConfigFile = DEFAULT_CONFIG,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Write the SageMaker pipeline definition; needs no credentials and no network."""
    from faceflow_ml.files import atomic_write_text
    from pipelines.definition.check import all_steps
    from pipelines.definition.compile import compile_definition, to_json

    definition = compile_definition(_load(config, overrides))
    atomic_write_text(out, to_json(definition))
    names = [step["Name"] for step in all_steps(definition["Steps"])]
    if as_json:
        emit_json({"out": out, "version": definition["Version"], "steps": names})
    else:
        say(f"{out}: {', '.join(names)}")


@app.command(
    epilog="Example: faceflow-ml pipeline run --config configs/pipeline/debug.yaml "
    "-p DetectorMinimum=0.1"
)
def run(
    config: ConfigFile = DEFAULT_CONFIG,
    overrides: Overrides = None,
    parameter: Parameters = None,
    sagemaker: OnSageMaker = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, though a killed run could go on.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do every step, though its result is known.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Execute the compiled definition; the same command goes on after a kill.

    Where local.approval is automatic, what was registered is approved and deployed.
    """
    loaded = _load(config, overrides)
    values = read_parameters(parameter)
    if sagemaker:
        if fresh or no_cache:
            raise ConfigError("--fresh and --no-cache are for this machine, not for --sagemaker")
        from pipelines.start import start_on_sagemaker

        arn = start_on_sagemaker(loaded, values)
        _print({"execution": arn}, as_json, f"Started {arn}")
        return
    from pipelines.local.run import run_local

    result = run_local(loaded, values, notice=say, fresh=fresh, cached=not no_cache)
    state = result.state
    if state.status != "Succeeded":
        _print(_outcome(result, []), as_json, "")
        raise fail(f"execution {state.execution_id} failed: {state.failure}")
    deployed: list[dict[str, Any]] = []
    if loaded.local.approval == "automatic":
        from pipelines.deployment.local import LocalDeployer

        deployer = LocalDeployer(loaded, notice=say)
        for version in result.registered:
            kind = next(k for k, g in loaded.groups.items() if g == version.group)
            deployed.append(deployer.deploy(kind, version.version, approve=True).plain())
    text = f"Execution {state.execution_id} succeeded; " + (
        result.skipped
        or "registered "
        + ", ".join(f"{version.group} {version.version}" for version in result.registered)
    )
    _print(_outcome(result, deployed), as_json, text)


@app.command(epilog="Example: faceflow-ml pipeline deploy --kind embedder --version 3 --approve")
def deploy(
    config: ConfigFile = DEFAULT_CONFIG,
    overrides: Overrides = None,
    kind: Kinds = None,
    version: Annotated[
        int | None, typer.Option(help="Of the registered model; the challenger by default.")
    ] = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve it first; only approved ones deploy.")
    ] = False,
    sagemaker: OnSageMaker = False,
    as_json: Json = False,
) -> None:
    """Replace the models that serve by registered ones, blue/green."""
    loaded = _load(config, overrides)
    kinds = _kinds(kind)
    if version is not None and len(kinds) != 1:
        raise ConfigError("--version needs one --kind: versions of both count for themselves")
    with aws_failures() if sagemaker else nullcontext():
        deployer = _deployer(loaded, sagemaker)
        done = [deployer.deploy(k, version, approve=approve).plain() for k in kinds]
    _print({"deployed": done}, as_json, "\n".join(_line(item) for item in done))


@app.command(epilog="Example: faceflow-ml pipeline rollback --kind embedder")
def rollback(
    config: ConfigFile = DEFAULT_CONFIG,
    overrides: Overrides = None,
    kind: Kinds = None,
    sagemaker: OnSageMaker = False,
    as_json: Json = False,
) -> None:
    """Go back to the models that served before; the present ones become rejected."""
    loaded = _load(config, overrides)
    kinds = _kinds(kind)
    with aws_failures() if sagemaker else nullcontext():
        deployer = _deployer(loaded, sagemaker)
        done = [deployer.rollback(k).plain() for k in kinds]
    _print({"deployed": done}, as_json, "\n".join(_line(item) for item in done))


@app.command(epilog="Example: faceflow-ml pipeline status --json")
def status(
    config: ConfigFile = DEFAULT_CONFIG, overrides: Overrides = None, as_json: Json = False
) -> None:
    """Which models serve on this machine, and where."""
    from pipelines.deployment.local import LocalDeployer

    found = LocalDeployer(_load(config, overrides), notice=say).status()
    lines = [_line(item) + ("" if item["alive"] else " (not running)") for item in found]
    _print({"servers": found}, as_json, "\n".join(lines) or "Nothing is deployed.")


@app.command(epilog="Example: faceflow-ml pipeline stop --config configs/pipeline/debug.yaml")
def stop(
    config: ConfigFile = DEFAULT_CONFIG, overrides: Overrides = None, as_json: Json = False
) -> None:
    """Stop the servers on this machine; deploying or rolling back starts them again."""
    from pipelines.deployment.local import LocalDeployer

    count = LocalDeployer(_load(config, overrides), notice=say).stop()
    _print({"stopped": count}, as_json, f"Stopped {count} servers.")


def _load(file: Path, overrides: list[str] | None) -> PipelineConfig:
    from pipelines.config import load_pipeline_config

    return load_pipeline_config(file, overrides)


def _deployer(config: PipelineConfig, sagemaker: bool) -> Any:
    if sagemaker:
        from pipelines.deployment.endpoints import EndpointDeployer

        return EndpointDeployer.connect(config)
    from pipelines.deployment.local import LocalDeployer

    return LocalDeployer(config, notice=say)


def _kinds(words: list[str] | None) -> list[Kind]:
    from pipelines.kinds import KINDS

    unknown = set(words or []) - set(KINDS)
    if unknown:
        raise ConfigError(f"--kind is detector or embedder, not {', '.join(sorted(unknown))}")
    return [kind for kind in KINDS if not words or kind in words]


def _outcome(result: Any, deployed: list[dict[str, Any]]) -> dict[str, Any]:
    state = result.state
    return {
        "execution": state.execution_id,
        "status": state.status,
        "failure": state.failure,
        "skipped": result.skipped,
        "folder": result.folder,
        "steps": {
            name: {"status": step.status, "cached": step.cached, "failure": step.failure}
            for name, step in state.steps.items()
        },
        "registered": list(result.registered),
        "deployed": deployed,
    }


def _line(item: dict[str, Any]) -> str:
    done = f", {item['action']}" if "action" in item else ""
    return (
        f"{item['kind']}: version {item['version']}, contract {item['contract_id']}, "
        f"{item['endpoint']}{done}"
    )


def _print(document: dict[str, Any], as_json: bool, text: str) -> None:
    if as_json:
        emit_json(document)
    elif text:
        say(text)
