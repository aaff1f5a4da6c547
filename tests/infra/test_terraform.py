"""Terraform's own checks: format, types and schema, and the modules' tests."""

from __future__ import annotations

import json
import re

import pytest

from tests.infra.terraform import INFRA, Terraform, TestRun

OUTPUTS = {
    "raw_bucket",
    "derived_bucket",
    "embeddings_bucket",
    "exports_bucket",
    "ddb_table",
    "api_url",
    "ws_url",
    "cognito_pool_ids",
}
ROOT = INFRA / "terraform"


def test_format(terraform: Terraform) -> None:
    done = terraform.run("fmt", "-check", "-recursive", "-diff")
    assert done.returncode == 0, done.stdout


def test_development_is_valid(terraform: Terraform) -> None:
    terraform.init("envs/dev")
    done = terraform.run("validate", "-json", folder="envs/dev")
    found = json.loads(done.stdout)
    assert found["valid"] and found["warning_count"] == 0, found["diagnostics"]


def test_modules(module_tests: TestRun, modules: list[str]) -> None:
    assert not module_tests.problems
    tested = {
        name.split(" ")[0].removeprefix("tests/").split(".")[0] for name in module_tests.outcomes
    }
    assert tested == set(modules)
    assert set(module_tests.outcomes.values()) == {"pass"}


def test_environment(environment_tests: TestRun) -> None:
    assert not environment_tests.problems
    assert set(environment_tests.outcomes.values()) == {"pass"}


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_environments_have_backend_and_outputs(environment: str) -> None:
    folder = ROOT / "envs" / environment
    outputs = set(re.findall(r'^output "(\w+)"', (folder / "outputs.tf").read_text(), re.M))
    assert outputs >= OUTPUTS
    assert outputs == set(
        re.findall(r'^output "(\w+)"', (ROOT / "stack/outputs.tf").read_text(), re.M)
    )
    backend = (folder / "backend.tf").read_text()
    assert 'backend "s3"' in backend and f"faceflow/{environment}/terraform.tfstate" in backend


def test_inputs_have_types_and_descriptions() -> None:
    for file in ROOT.rglob("*.tf"):
        for name, body in re.findall(
            r'^variable "(\w+)" \{\n(.*?)^\}', file.read_text(), re.M | re.S
        ):
            assert re.search(r"^  type +=", body, re.M), f"{file}: {name} has no type"
            assert re.search(r'^  description += "', body, re.M), f"{file}: {name}"


def test_modules_know_where_they_are(modules: list[str]) -> None:
    contexts = {(ROOT / "modules" / name / "context.tf").read_text() for name in modules}
    assert len(contexts) == 1, "context.tf is the same in every module"
