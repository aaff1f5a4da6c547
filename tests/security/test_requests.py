"""The application asks nobody by an address that a person gave it (SSRF)."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from api.main import create_app
from api.settings import Settings

ROOT = Path(__file__).parents[2]
CLIENTS = {"aiohttp", "httpx", "httpx2", "requests", "urllib.request", "urllib3"}
ASKING = {
    # Keys of the issuer that the settings name.
    "api/jwt_tokens.py",
}
"""Modules that may ask by HTTP."""


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_only_the_verifier_of_tokens_asks_by_http() -> None:
    asking = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "api").rglob("*.py")
        if imported(file) & CLIENTS or "PyJWKClient" in file.read_text()
    }
    assert asking <= ASKING, asking


def test_no_request_carries_an_address(tmp_path: Path) -> None:
    document = create_app(Settings(data=tmp_path, web=tmp_path / "none")).openapi()
    schemas = document["components"]["schemas"]
    bodies = {
        schema["$ref"].rpartition("/")[2]
        for methods in document["paths"].values()
        for operation in methods.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in (schema := content["schema"])
    }
    assert len(bodies) > 10
    for name in _reached(schemas, bodies):
        for field, schema in schemas[name].get("properties", {}).items():
            assert schema.get("format") not in ("uri", "url"), f"{name}.{field}"
            assert not re.search(r"(?i)ur[li]$|callback|webhook|endpoint", field), f"{name}.{field}"


def _reached(schemas: dict[str, Any], names: set[str]) -> set[str]:
    """These schemas and those that they refer to."""
    found: set[str] = set()
    while names - found:
        name = (names - found).pop()
        found.add(name)
        names |= set(re.findall(r"#/components/schemas/(\w+)", str(schemas[name])))
    return found
