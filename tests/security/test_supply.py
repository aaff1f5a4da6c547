"""What is installed is pinned, and no secret lies in the repository."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "frontend/web"
SECRETS = {
    "an AWS access key": r"\b(AKIA|ASIA)(?!EMULATOR|IOSFODNN)[0-9A-Z]{16}\b",
    "a private key": r"-----BEGIN (RSA |EC |OPENSSH |)PRIVATE KEY-----\s*\n\s*[A-Za-z0-9+/=]{40}",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "a secret of Slack": r"\bxox[abprs]-[0-9A-Za-z-]{20,}",
}


def test_every_package_of_the_web_client_has_a_version_and_a_hash() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    wanted = json.loads((WEB / "package.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name and not one.get("link")}
    assert len(packages) > 100
    for name, one in packages.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*", one["version"]), name
        # What is inside another package's archive is covered by its hash.
        assert one.get("inBundle") or one.get("integrity", "").startswith("sha512-"), name
    for kind in ("dependencies", "devDependencies"):
        for name in wanted.get(kind, {}):
            assert f"node_modules/{name}" in packages


def test_images_install_what_the_lock_pins() -> None:
    for recipe in ROOT.glob("*/Dockerfile"):
        text = re.sub(r"\\\n\s*", " ", recipe.read_text())
        for line in re.findall(r"pip install[^&\n]*", text):
            pinned = "--constraint requirements.lock" in line or "--no-deps" in line
            assert pinned, f"{recipe}: {line}"


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_no_secret_is_in_the_repository() -> None:
    looked = 0
    for file in tracked():
        if not file.is_file() or file.suffix in (".onnx", ".png", ".ts"):
            continue
        text = file.read_text(errors="ignore")
        looked += 1
        for what, pattern in SECRETS.items():
            assert not re.search(pattern, text), f"{file.relative_to(ROOT)} holds {what}"
    assert looked > 300


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("an AWS access key", "key = " + "AKIA" + "ABCDEFGHIJKLMNOP"),
        ("a private key", "-----BEGIN " + "PRIVATE KEY-----\n" + "A" * 64),
        ("a token of GitHub", "ghp" + "_" + "a" * 36),
    ],
)
def test_secrets_would_be_found(what: str, text: str) -> None:
    assert re.search(SECRETS[what], text)
