"""Build, push and deploy FaceFlow: what the Makefile's delivery targets and the workflows run.

    python infra/deliver.py ACTION [--environment dev|prod] [--tag VERSION] [--dry-run]

Needs nothing but Python's standard library, Docker, Terraform and the AWS command line; what an
action needs and does not find is named before anything is done. ``--dry-run`` prints the commands.

Images are tagged with the commit, and tags are immutable: an image that the registry has already is
not built again, so that to deploy an older tag is to roll back. ``--from-registry`` copies images
from another account's registry by digest: production runs what development ran.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TERRAFORM = ROOT / "infra/terraform"


class Missing(Exception):
    """Something that an action needs is not here."""


@dataclass(frozen=True)
class Image:
    """An image: where its recipe is, and its repository and tag in the registry.

    input: its name in Terraform's ``image_tags``; None: Terraform does not know of it.
    options: of its build besides.
    """

    dockerfile: str
    target: str
    repository: str
    prefix: str = ""
    input: str | None = None
    options: tuple[str, ...] = ()

    def tag(self, version: str) -> str:
        """Tag of a version: several images share a repository."""
        return f"{self.prefix}{version}"


_SAGEMAKER = ("--build-arg", "START_AS=root")  # which its entry point gives up at once
EMBEDDING = Image("serving/Dockerfile", "embedding-cpu", "faceflow-embedding", options=_SAGEMAKER)
DETECTION = Image(
    "serving/Dockerfile", "detection-cpu", "faceflow-detection", "", "detection", _SAGEMAKER
)
API = Image("api/Dockerfile", "api", "faceflow-api", "api-", "api")
WORKERS = Image("api/Dockerfile", "workers", "faceflow-api", "workers-", "workers")
DEPLOYER = Image("api/Dockerfile", "deployer", "faceflow-detection", "deployer-", "pipeline")
RUNNING = "latest"
"""Stands for no version: what runs stays."""
ML, APPLICATION = (EMBEDDING, DETECTION), (API,)
FUNCTIONS = (WORKERS, DEPLOYER, DETECTION)


@dataclass
class Delivery:
    """One call of this program.

    environment: dev or prod; each is an AWS account.
    """

    environment: str
    version: str
    dry_run: bool
    source: str | None
    arguments: Sequence[str]

    def run(self, *command: str | Path, reads: bool = False) -> str:
        """Run a command in the checkout, or print it; its output if it ``reads``.

        Raises:
            SystemExit: it failed; with its status.
        """
        words = [str(word) for word in command]
        if self.dry_run:
            sys.stdout.write(f"{shlex.join(words)}\n")
            return ""
        say(f"+ {shlex.join(words)}")
        done = subprocess.run(
            words, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE if reads else None
        )
        if done.returncode:
            raise SystemExit(done.returncode)
        return done.stdout or ""

    def registry(self) -> str:
        """The account's registry, once Docker may use it."""
        account, region = ("ACCOUNT", "REGION") if self.dry_run else (aws_account(), aws_region())
        host = f"{account}.dkr.ecr.{region}.amazonaws.com"
        login = f"aws ecr get-login-password | docker login --username AWS --password-stdin {host}"
        self.run("bash", "-o", "pipefail", "-c", login)
        return host

    def build(self, image: Image, name: str) -> None:
        """Build one image. A plain manifest: Lambda and SageMaker refuse an index that holds
        attestations, so the list of contents (SBOM) is a file beside it."""
        if not self.dry_run and not (ROOT / image.dockerfile).is_file():
            raise Missing(f"{image.dockerfile} is not in this checkout")
        recipe = ("--file", image.dockerfile, *image.options, "--target", image.target)
        self.run("docker", "build", "--provenance=false", *recipe, "--tag", name, ".")

    def push(self, images: Sequence[Image]) -> None:
        """See that the registry has these images."""
        host = self.registry()
        for image in images:
            tag = image.tag(self.version)
            if not self.dry_run and _has(image.repository, tag):
                say(f"{image.repository}:{tag} is in the registry already")
                continue
            name = f"{host}/{image.repository}:{tag}"
            if self.source is not None:
                origin = f"{self.source}/{image.repository}:{tag}"
                # By digest: nothing is rebuilt on the way to production.
                self.run("docker", "buildx", "imagetools", "create", "--tag", name, origin)
            else:
                self.build(image, name)
                self.run("docker", "push", name)

    def terraform(self, action: str, images: Sequence[Image]) -> None:
        """Plan or apply the environment: these images at this version, the others as they are."""
        folder = TERRAFORM / "envs" / self.environment
        terraform = ("terraform", f"-chdir={folder.relative_to(ROOT)}")
        self.run(*terraform, "init", "-input=false", "-backend-config=backend.hcl")
        running = {}
        if not self.dry_run:
            known = json.loads(self.run(*terraform, "output", "-json", reads=True) or "{}")
            running = known.get("image_tags", {}).get("value", {})
        # The first time nothing runs yet: all are of this version.
        everything = {i.input: i.tag(self.version) for i in (*APPLICATION, *FUNCTIONS) if i.input}
        changed = {image.input: image.tag(self.version) for image in images if image.input}
        flags = {
            "plan": ("-lock=false", "-no-color"),
            "apply": ("-auto-approve",) if os.environ.get("CI") else (),
        }
        self.run(
            *terraform,
            action,
            "-input=false",
            *flags[action],
            f"-var-file={self.environment}.tfvars",
            f"-var=image_tags={json.dumps(everything | running | changed, sort_keys=True)}",
        )


def bootstrap(delivery: Delivery) -> None:
    """What Terraform and the workflows need in a new account: state, registry, roles by OIDC."""
    folder = TERRAFORM / "bootstrap"
    terraform = ("terraform", f"-chdir={folder.relative_to(ROOT)}")
    state = f"-state={delivery.environment}.tfstate"
    delivery.run(*terraform, "init", "-input=false")
    variables = [f"-var=environment={delivery.environment}", *delivery.arguments]
    delivery.run(*terraform, "apply", state, *variables)
    if not delivery.dry_run:
        backend = delivery.run(*terraform, "output", state, "-raw", "backend", reads=True)
        place = TERRAFORM / "envs" / delivery.environment / "backend.hcl"
        place.write_text(backend)
        say(f"Wrote {place.relative_to(ROOT)}")


def build_ml(delivery: Delivery) -> None:
    """The containers of the models."""
    for image in ML:
        delivery.build(image, f"{image.repository}:{delivery.version}")


def push_ml(delivery: Delivery) -> None:
    """The containers of the models, built and in the registry."""
    delivery.push(ML)


def plan(delivery: Delivery) -> None:
    """What an apply would do; without a version, with the images that run."""
    images = () if delivery.version == RUNNING else (*APPLICATION, *FUNCTIONS)
    delivery.terraform("plan", images)


def deploy_api(delivery: Delivery) -> None:
    """The API."""
    delivery.push(APPLICATION)
    delivery.terraform("apply", APPLICATION)


def deploy_workers(delivery: Delivery) -> None:
    """The functions of ingestion and jobs, and the deployer."""
    delivery.push(FUNCTIONS)
    delivery.terraform("apply", FUNCTIONS)


def sagemaker_deploy(delivery: Delivery) -> None:
    """Registered models to the endpoints; arguments are those of `faceflow-ml pipeline deploy`."""
    command = ("-m", "faceflow_ml", "pipeline", "deploy", "--sagemaker")
    delivery.run(sys.executable, *command, *delivery.arguments)


ACTIONS: Mapping[str, tuple[Callable[[Delivery], None], tuple[str, ...]]] = {
    "bootstrap": (bootstrap, ("terraform", "aws")),
    "build-ml": (build_ml, ("docker",)),
    "push-ml": (push_ml, ("docker", "aws")),
    "plan": (plan, ("terraform", "aws")),
    "deploy-api": (deploy_api, ("docker", "terraform", "aws")),
    "deploy-workers": (deploy_workers, ("docker", "terraform", "aws")),
    "sagemaker-deploy": (sagemaker_deploy, ("aws",)),
}
"""What can be done, and the tools that it needs."""


def say(text: str) -> None:
    """Tell the person; what commands answer goes to stdout."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def check(tools: Sequence[str]) -> None:
    """See that the tools are here and can work.

    Raises:
        Missing: one is not, or has no engine or credentials.
    """
    hints = {
        "docker": "install Docker Engine: https://docs.docker.com/engine/install",
        "terraform": "install Terraform 1.8 or later: https://developer.hashicorp.com/terraform",
        "aws": "install the AWS command line: https://docs.aws.amazon.com/cli",
    }
    for tool in tools:
        if shutil.which(tool) is None:
            raise Missing(f"{tool} is not on PATH; {hints[tool]}")
    if "docker" in tools and _output("docker", "info") is None:
        raise Missing("no Docker engine answers: start it, or set DOCKER_HOST")
    if "aws" in tools:
        if aws_account() is None:
            raise Missing("no AWS credentials that work: aws sso login, or set AWS_PROFILE")
        if aws_region() is None:
            raise Missing("no AWS region: set AWS_REGION")


def aws_account() -> str | None:
    """The account of the credentials; None: there are none that work."""
    query = ("--query", "Account", "--output", "text")
    return _output("aws", "sts", "get-caller-identity", *query)


def aws_region() -> str | None:
    """The region, as the command line finds it."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or _output("aws", "configure", "get", "region")


def _has(repository: str, tag: str) -> bool:
    where = ("--repository-name", repository, "--image-ids", f"imageTag={tag}")
    return _output("aws", "ecr", "describe-images", *where) is not None


def _output(*command: str) -> str | None:
    """What a command says; None: it failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout.strip()


def commit() -> str:
    """The commit of this checkout, which an image is named after.

    Raises:
        Missing: there is none, or files differ from it: no image could be made again from it.
    """
    head = _output("git", "-C", str(ROOT), "rev-parse", "HEAD")
    if head is None:
        raise Missing("this is no git checkout: name the version, TAG=...")
    if _output("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"):
        raise Missing("files differ from the commit: commit them, or name the version, TAG=...")
    return head


def main(words: Sequence[str] | None = None) -> int:
    """Status: 0 done, 2 something is missing, otherwise that of the command that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        epilog="What stands after -- goes to bootstrap's Terraform or to `pipeline deploy`.",
    )
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--environment", choices=("dev", "prod"), default="dev")
    parser.add_argument("--tag", help="version of the images; the commit by default")
    parser.add_argument("--from-registry", help="copy images from there in place of building them")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    words = list(sys.argv[1:] if words is None else words)
    cut = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:cut])
    action, tools = ACTIONS[options.action]
    try:
        if not options.dry_run:
            check(tools)
        version = options.tag or RUNNING
        if "docker" in tools and not options.tag:
            version = "COMMIT" if options.dry_run else commit()
        action(
            Delivery(
                options.environment,
                version,
                options.dry_run,
                options.from_registry or None,
                words[cut + 1 :],
            )
        )
    except Missing as missing:
        say(f"Error: {missing}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
