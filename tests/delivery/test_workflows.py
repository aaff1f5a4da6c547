"""The workflows: valid, pinned, with least permissions; a linter of their security agrees."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import deliver
from tests.delivery.conftest import ROOT

FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
BIN = Path(sys.executable).parent
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


def read(file: Path) -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for a boolean.
    found: dict[Any, Any] = yaml.safe_load(file.read_text())
    return {"on" if key is True else key: value for key, value in found.items()}


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in read(file)["jobs"].values() for step in job.get("steps", ())]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )


def test_the_schema_of_workflows() -> None:
    done = run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, FILES))
    assert done.returncode == 0, done.stdout


def test_a_linter_of_their_security_finds_nothing() -> None:
    done = run("zizmor", "--offline", "--no-progress", "--persona", "pedantic", str(FOLDER.parent))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_with_their_version(file: Path) -> None:
    lines = re.findall(r"^ +(?:- )?uses: (.+)$", file.read_text(), re.M)
    assert lines
    for line in lines:
        action, _, version = line.partition(" # ")
        if action.startswith("./"):
            assert (ROOT / action).is_file()
        else:
            assert PINNED.fullmatch(action), line
            assert re.fullmatch(r"v\d+\.\d+\.\d+", version), line


def test_an_action_has_one_version_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for line in re.findall(r"uses: ([^.\s].+)", "".join(f.read_text() for f in FILES)):
        pins.setdefault(line.partition("@")[0], set()).add(line)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_permissions_are_the_least(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        given = job["permissions"]
        assert given.items() <= {"contents": "read", "id-token": "write"}.items()
        takes_a_role = "configure-aws-credentials" in str(job) or "uses" in job
        assert ("id-token" in given) == takes_a_role
        assert "uses" in job or job["timeout-minutes"] <= 90


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_long_lived_secret(file: Path) -> None:
    text = file.read_text()
    assert "secrets." not in text
    assert not re.search(r"aws-(access-key-id|secret-access-key)", text)
    for step in steps(file):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_production_comes_after_checks_development_and_a_person() -> None:
    jobs = read(FOLDER / "deploy.yml")["jobs"]
    assert [jobs[name].get("needs") for name in ("ci", "dev", "review", "prod")] == [
        None,
        "ci",
        "dev",
        "review",
    ]
    assert jobs["prod"]["with"]["environment"] == "prod"
    release = read(FOLDER / "release.yml")["jobs"]["release"]
    # The reviewers are of the environment: GitHub waits for them before the job starts.
    assert release["environment"] == "${{ inputs.environment }}"
    assert read(FOLDER / "deploy.yml")["concurrency"]["cancel-in-progress"] is False


def test_models_are_deployed_apart() -> None:
    assert "sagemaker-deploy" not in (FOLDER / "release.yml").read_text()
    assert set(read(FOLDER / "models.yml")["on"]) == {"workflow_dispatch"}
    assert "sagemaker-deploy" in (FOLDER / "models.yml").read_text()


def test_what_they_call_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for file in FILES:
        for step in steps(file):
            for line in step.get("run", "").splitlines():
                for script in re.findall(r"\.ci/[\w-]+", line):
                    assert (ROOT / script).stat().st_mode & 0o111
                called = re.match(r"\s*make ((?:[a-z-]+ ?)+)", line)
                if called:
                    assert set(called[1].split()) <= targets, line


def test_every_image_that_is_deployed_is_built_by_ci() -> None:
    from tests.delivery.images import IMAGES

    built = read(FOLDER / "ci.yml")["jobs"]["images"]["strategy"]["matrix"]["include"]
    assert {(one["file"], one["target"]) for one in built} == IMAGES


def test_what_was_pushed_has_a_list_of_contents() -> None:
    jobs = read(FOLDER / "release.yml")["jobs"]
    listed = {one["tag"] for one in jobs["contents"]["strategy"]["matrix"]["include"]}
    pushed = {*deliver.ML, *deliver.APPLICATION, *deliver.FUNCTIONS}
    assert listed == {f"{image.repository}:{image.tag('')}" for image in pushed}
    assert jobs["contents"]["needs"] == "release"


def test_inputs_are_written_where_terraform_reads_them(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci/write-inputs"
    script.write_text((ROOT / ".ci/write-inputs").read_text())
    folder = tmp_path / "infra/terraform/envs/dev"
    folder.mkdir(parents=True)
    given = {"PATH": "/usr/bin:/bin", "BACKEND": 'bucket = "b"', "TFVARS": 'signer = "s"'}
    subprocess.run(["bash", str(script), "dev"], env=given, check=True)
    assert (folder / "backend.hcl").read_text() == 'bucket = "b"\n'
    assert (folder / "dev.tfvars").read_text() == 'signer = "s"\n'
    given["TFVARS"] = ""
    done = subprocess.run(["bash", str(script), "dev"], env=given, check=False, capture_output=True)
    assert done.returncode != 0 and b"TFVARS" in done.stderr
