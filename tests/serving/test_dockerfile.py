"""The images: what can be told without a Docker engine, and with one that they build and answer."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import httpx2
import pytest

from tests.serving.conftest import crops, npy
from tests.serving.server import ROOT, free_port

TARGETS = {f"{task}-{device}" for task in ("embedding", "detection") for device in ("cpu", "gpu")}
COMPILERS = re.compile(r"build-essential|\bgcc\b|\bg\+\+|\bclang\b|-dev\b")


@dataclass(frozen=True)
class Stage:
    """``FROM base AS name`` and the instructions after it."""

    base: str
    name: str
    instructions: tuple[tuple[str, str], ...]

    def of(self, kind: str) -> list[str]:
        return [arguments for found, arguments in self.instructions if found == kind]


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    lines = [
        line
        for line in (ROOT / "serving/Dockerfile").read_text().splitlines()
        if not line.lstrip().startswith("#")
    ]
    found: dict[str, Stage] = {}
    for statement in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if not statement.strip():
            continue
        kind, _, arguments = statement.partition(" ")
        if kind == "FROM":
            base, word, name = arguments.split()
            assert word == "AS"
            found[name] = current = Stage(base, name, ())
        else:
            current = Stage(current.base, current.name, (*current.instructions, (kind, arguments)))
            found[current.name] = current
    return found


def lineage(stages: dict[str, Stage], name: str) -> Iterator[Stage]:
    """A stage and those that it is built on, the first one last."""
    while name in stages:
        yield stages[name]
        name = stages[name].base


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_what_runs_is_slim_has_no_compiler_and_no_root(
    stages: dict[str, Stage], target: str
) -> None:
    family = list(lineage(stages, target))
    assert family[-1].base == "python:3.12-slim-trixie"
    everything = [instruction for stage in family for instruction in stage.instructions]
    assert not any(COMPILERS.search(arguments) for _, arguments in everything)
    assert not any("pip install" in arguments for _, arguments in everything)
    users = [user for stage in reversed(family) for user in stage.of("USER")]
    assert users[-1] == "${START_AS}"
    assert [v for stage in family for v in stage.of("ARG")] == ["START_AS=faceflow"]
    tasks = [v for stage in family for v in stage.of("ENV") if "FACEFLOW_SERVING_TASK" in v]
    assert tasks == [f"FACEFLOW_SERVING_TASK={target.partition('-')[0]}"]


def test_the_targets_and_their_commands(stages: dict[str, Stage]) -> None:
    sources = re.findall(r"--from=(\S+)", str(stages))
    leaves = set(stages) - {stage.base for stage in stages.values()} - set(sources)
    assert leaves == TARGETS
    runtime = stages["runtime"]
    assert json.loads(runtime.of("ENTRYPOINT")[0]) == ["python", "-m", "serving"]
    assert json.loads(runtime.of("CMD")[0]) == ["serve"]
    assert runtime.of("EXPOSE") == ["8080"]


def test_what_is_copied_exists_and_is_sent_to_the_builder(stages: dict[str, Stage]) -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = set()
    for stage in stages.values():
        for arguments in stage.of("COPY"):
            words = shlex.split(arguments)
            if words[0].startswith("--from="):
                assert words[0].removeprefix("--from=") in stages
            else:
                files = [word for word in words[:-1] if not word.startswith("--")]
                copied |= {file.partition("/")[0] for file in files}
    assert copied <= sent
    assert all((ROOT / name).exists() for name in copied)
    assert not any(fnmatch("faceflow_ml/weights/embedder.onnx", rule) for rule in rules[1:])


def test_every_package_of_the_wheel_is_in_the_image(stages: dict[str, Stage]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = [shlex.split(arguments)[0] for arguments in stages["build"].of("COPY")]
    assert set(packages) <= set(copied)
    extras = re.search(r"\.\[([a-z,]+)\]", str(stages["build"].of("RUN")))
    assert extras is not None
    assert set(extras[1].split(",")) <= set(project["project"]["optional-dependencies"])


def test_no_address_of_a_registry() -> None:
    assert "://" not in (ROOT / "serving/Dockerfile").read_text()


def test_the_runtime_for_gpus_goes_with_the_locked_libraries(stages: dict[str, Stage]) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    tested = re.search(r"^onnxruntime==(\d+)\.(\d+)\.", lock, re.MULTILINE)
    built = re.search(r"onnxruntime-gpu==(\d+)\.(\d+)\.", str(stages["build-gpu"]))
    assert tested is not None and built is not None
    assert tested[1] == built[1]
    assert int(tested[2]) - int(built[2]) in (0, 1)  # it comes out later
    (cuda,) = set(re.findall(r"^nvidia-cudnn-cu(\d+)==", lock, re.MULTILINE))
    paths = next(text for text in stages["gpu"].of("ENV") if "LD_LIBRARY_PATH" in text)
    assert f"/nvidia/cu{cuda}/lib:" in paths and "/nvidia/cudnn/lib" in paths


@pytest.fixture(scope="module")
def docker() -> str:
    """The path of a Docker client that has an engine."""
    path = shutil.which("docker")
    if path is None or subprocess.run([path, "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine on this machine: the images were neither built nor started")
    return path


def test_an_image_builds_and_answers(docker: str) -> None:
    tag = "faceflow-embedding:test"
    build = [docker, "build", "--file", "serving/Dockerfile", "--target", "embedding-cpu"]
    subprocess.run([*build, "--tag", tag, "."], cwd=ROOT, check=True, timeout=3600)
    port = free_port()
    run = [docker, "run", "--detach", "--rm", "--publish", f"127.0.0.1:{port}:8080", tag, "serve"]
    container = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            for _ in range(600):
                try:
                    if client.get("/ping").status_code == 200:
                        break
                except httpx2.TransportError:
                    pass
                time.sleep(0.1)
            headers = {"Content-Type": "application/x-npy"}
            answer = client.post("/invocations", content=npy(crops(2)), headers=headers)
            assert len(answer.json()["embeddings"]) == 2
    finally:
        subprocess.run([docker, "stop", container], check=True, capture_output=True)


SCRIPT = ROOT / "serving/unprivileged.sh"


def start(base: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Start the images' ``python``, with a shell in Python's place."""
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(base), "FACEFLOW_PYTHON": "/bin/sh"}
    return subprocess.run(
        [SCRIPT, "-c", command], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give root up")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
def test_root_is_given_up_and_a_job_can_write_its_output() -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)  # as /opt/ml: others may look, and not write
        for folder in ("output", "model", "processing/output/report", "processing/input/data"):
            (base / folder).mkdir(parents=True)
        (base / "checkpoints").mkdir()
        (base / "checkpoints/last.ckpt").write_text("from an earlier machine")
        done = start(
            base,
            "id -u && echo $HOME && cd $SAGEMAKER_BASE_DIR && touch output/message model/a "
            "processing/output/report/a && echo b > checkpoints/last.ckpt "
            "&& ! touch processing/input/data/a 2>/dev/null && ! touch a 2>/dev/null "
            "&& ! setpriv --reuid=0 id 2>/dev/null",
        )
        assert (done.returncode, done.stdout) == (0, "1000\n/home/faceflow\n"), done.stderr


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
def test_whoever_is_not_root_just_gets_python() -> None:
    command = ["setpriv", "--reuid=1000", "--clear-groups"] if os.geteuid() == 0 else []
    # The checkout and pytest's folders may be closed to others.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        script = shutil.copy(SCRIPT, folder)
        done = subprocess.run(
            [*command, script, "-c", "id -u; exit 5"],
            env={**os.environ, "FACEFLOW_PYTHON": "/bin/sh"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 5 and done.stdout.strip() != "0"


def test_pythons_place_is_taken_by_what_gives_root_up(stages: dict[str, Stage]) -> None:
    from infra.deliver import DETECTION, EMBEDDING

    runtime = stages["runtime"]
    assert "--chmod=0755 serving/unprivileged.sh /opt/faceflow/bin/python" in runtime.of("COPY")
    assert "PATH=/opt/faceflow/bin:/opt/venv/bin:$PATH" in runtime.of("ENV")[0]
    for image in (DETECTION, EMBEDDING):  # as they are pushed for SageMaker
        assert image.options == ("--build-arg", "START_AS=root")
