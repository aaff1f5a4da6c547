"""Delivery by the Makefile: what it calls, and what it says where it cannot."""

from __future__ import annotations

import json

import pytest

from tests.delivery.conftest import Bench

REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
NEEDS = {
    "bootstrap": ["terraform", "aws"],
    "build-ml": ["docker"],
    "push-ml": ["docker", "aws"],
    "plan": ["terraform", "aws"],
    "deploy-api": ["docker", "terraform", "aws"],
    "deploy-workers": ["docker", "terraform", "aws"],
    "sagemaker-deploy": ["aws"],
}


@pytest.mark.parametrize("target", NEEDS)
def test_a_missing_tool_is_named_and_nothing_is_done(bench: Bench, target: str) -> None:
    for n, tool in enumerate(NEEDS[target]):
        bench.provide(*NEEDS[target][:n])
        done = bench.deliver(target, "--tag", "1")
        assert done.returncode == 2
        assert f"Error: {tool} is not on PATH" in done.stderr
        assert bench.calls == []


def test_without_an_engine_or_credentials_nothing_is_done(bench: Bench) -> None:
    bench.provide("docker", "terraform", "aws")
    bench.answers = {"docker info": (1, "")}
    assert "no Docker engine answers" in bench.deliver("build-ml", "--tag", "1").stderr
    bench.answers = {"get-caller-identity": (255, "")}
    done = bench.deliver("deploy-api", "--tag", "1")
    assert done.returncode == 2
    assert "no AWS credentials that work" in done.stderr
    assert bench.calls == []


@pytest.mark.parametrize("target", NEEDS)
def test_a_dry_run_prints_the_commands_and_runs_none(bench: Bench, target: str) -> None:
    done = bench.make(target, DRY_RUN="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert bench.calls == []


def test_what_is_not_committed_is_not_pushed(bench: Bench) -> None:
    bench.provide("docker", "aws")
    assert "no git checkout" in bench.deliver("push-ml").stderr
    assert bench.calls == []


def test_images_are_built_pushed_and_applied(bench: Bench) -> None:
    bench.provide("docker", "terraform", "aws")
    running = {"api": "api-6", "workers": "workers-5", "pipeline": "deployer-4", "detection": "3"}
    bench.answers["output -json"] = (0, json.dumps({"image_tags": {"value": running}}))
    done = bench.deliver("deploy-api", "--tag", "7")
    assert done.returncode == 0, done.stderr
    login, build, push, init, _, apply = bench.calls
    name = f"{REGISTRY}/faceflow-api:api-7"
    assert login[:2] == ["docker", "login"] and login[-1] == REGISTRY
    assert build[:3] == ["docker", "build", "--provenance=false"]
    assert build[-5:] == ["--target", "api", "--tag", name, "."]
    assert push == ["docker", "push", name]
    assert init[1:3] == ["-chdir=infra/terraform/envs/dev", "init"]
    assert apply[2] == "apply" and "-auto-approve" not in apply
    tags = json.loads(apply[-1].removeprefix("-var=image_tags="))
    # What is not deployed now stays as it runs.
    assert tags == running | {"api": "api-7"}


def test_the_first_time_everything_is_of_this_version(bench: Bench) -> None:
    bench.provide("docker", "terraform", "aws")
    bench.answers["output -json"] = (0, "{}")
    assert bench.deliver("deploy-workers", "--tag", "7", "--environment", "prod").returncode == 0
    apply = bench.calls[-1]
    assert "-var-file=prod.tfvars" in apply
    assert json.loads(apply[-1].removeprefix("-var=image_tags=")) == {
        "api": "api-7",
        "workers": "workers-7",
        "pipeline": "deployer-7",
        "detection": "7",
    }


def test_an_image_that_is_there_is_not_built_again(bench: Bench) -> None:
    bench.provide("docker", "aws")
    bench.answers["describe-images"] = (0, "{}")
    assert bench.deliver("push-ml", "--tag", "7").returncode == 0
    assert [call[1] for call in bench.calls] == ["login"]


def test_production_gets_what_development_ran(bench: Bench) -> None:
    bench.provide("docker", "aws")
    source = "444455556666.dkr.ecr.eu-west-1.amazonaws.com"
    assert bench.deliver("push-ml", "--tag", "7", "--from-registry", source).returncode == 0
    copies = [call for call in bench.calls if call[1] != "login"]
    assert [call[1:4] for call in copies] == [["buildx", "imagetools", "create"]] * 2
    assert [call[-1] for call in copies] == [
        f"{source}/faceflow-embedding:7",
        f"{source}/faceflow-detection:7",
    ]


def test_a_failure_stops_the_rest(bench: Bench) -> None:
    bench.provide("docker", "terraform", "aws")
    bench.answers["docker build"] = (1, "")
    done = bench.make("deploy-api", TAG="7", FROM="")
    assert done.returncode == 2
    assert [call[:2] for call in bench.calls] == [["docker", "login"], ["docker", "build"]]


def test_bootstrap_leaves_the_backend(bench: Bench) -> None:
    bench.provide("terraform", "aws")
    bench.answers["-raw backend"] = (0, 'bucket = "b"\n')
    done = bench.make("bootstrap", ENV="prod", ARGS="-var=repository=o/r")
    assert done.returncode == 0, done.stderr
    apply = next(call for call in bench.calls if "apply" in call)
    assert apply[-2:] == ["-var=environment=prod", "-var=repository=o/r"]
    written = bench.root / "infra/terraform/envs/prod/backend.hcl"
    assert written.read_text() == 'bucket = "b"\n'
