"""Commit messages are checked in CI as they are before a commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.delivery.conftest import ROOT


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "feat: begin")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def commit(folder: Path, message: str) -> None:
    git(folder, "commit", "--quiet", "--allow-empty", "--no-verify", "--message", message)


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [str(ROOT / ".ci/check-commits"), "HEAD~2..HEAD"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_conventional_commits_pass(repository: Path) -> None:
    commit(repository, "fix(api): a reason\n\nBecause.")
    commit(repository, "feat!: another key")
    assert check(repository).returncode == 0


@pytest.mark.parametrize("message", ["update things", "feature: x", "fix:no space"])
def test_others_do_not(repository: Path, message: str) -> None:
    commit(repository, message)
    commit(repository, "docs: after it")
    done = check(repository)
    assert done.returncode == 1
    assert f"{message} is no Conventional Commit" in done.stderr


def test_a_range_that_is_none_fails(repository: Path) -> None:
    assert check(repository).returncode != 0


def test_the_same_check_runs_before_a_commit() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = {hook["id"]: hook for repo in config["repos"] for hook in repo["hooks"]}
    assert hooks["commit-message"]["stages"] == ["commit-msg"]
    assert "conventional-pre-commit --strict" in hooks["commit-message"]["entry"]
