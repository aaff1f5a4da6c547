"""The tests that docs/security.md names as proof exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def proofs() -> list[tuple[str, str]]:
    """File and test of each proof; no test: the whole file."""
    found: list[tuple[str, str]] = []
    for row in re.findall(r"^\| [STRIDE] \|.*$", (ROOT / "docs/security.md").read_text(), re.M):
        proof = row.rstrip("| ").rpartition(" | ")[2]
        file = ""
        named = re.findall(r"`([^`:]*)(?:::(\w+))?`", proof)
        assert named, row
        for path, test in named:
            file = path or file
            found.append((file, test))
    return found


def test_every_kind_of_threat_is_thought_of() -> None:
    rows = re.findall(r"^\| ([STRIDE]) \|", (ROOT / "docs/security.md").read_text(), re.M)
    assert set(rows) == set("STRIDE") and len(rows) > 20


def test_every_proof_exists() -> None:
    found = proofs()
    assert len(found) > 40
    for file, test in found:
        text = (ROOT / file).read_text()
        assert not test or re.search(rf"^def {test}\(", text, re.M), f"{file}::{test}"
