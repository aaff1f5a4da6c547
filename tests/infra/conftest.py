"""Terraform is started twice: once for the modules, once for a whole environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.infra.terraform import Terraform, TestRun, Unavailable, prepare

ENVIRONMENT = "environments.tftest.hcl"


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """A copy of the configuration with its provider; skips where there is none."""
    try:
        found = prepare(tmp_path_factory.mktemp("terraform"))
        found.init()
    except Unavailable as missing:
        pytest.skip(str(missing))
    return found


@pytest.fixture(scope="session")
def module_tests(terraform: Terraform) -> TestRun:
    """Every module's own tests."""
    files = sorted(file.name for file in (terraform.root / "tests").glob("*.tftest.hcl"))
    return terraform.test(*(name for name in files if name != ENVIRONMENT))


@pytest.fixture(scope="session")
def environment_tests(terraform: Terraform) -> TestRun:
    """The tests of a whole environment, with what they made."""
    return terraform.test(ENVIRONMENT, verbose=True)


@pytest.fixture(scope="session")
def production(environment_tests: TestRun) -> dict[str, Any]:
    """Every resource of production, as Terraform would ask AWS for it; AWS is mocked."""
    assert not environment_tests.problems
    return environment_tests.states["prod"]


@pytest.fixture(scope="session")
def modules() -> list[str]:
    """Names of the modules."""
    folder = Path(__file__).parents[2] / "infra/terraform/modules"
    return sorted(place.name for place in folder.iterdir() if place.is_dir())
