"""The OpenAPI document, and every route against it with made-up requests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.domain import albums
from api.main import create_app
from api.settings import Settings
from tests.api.conftest import CardEngine

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> schemathesis.BaseSchema:
    """The document of an application whose limits are out of the way."""
    from api.home import open_services

    data: Path = tmp_path_factory.mktemp("openapi")
    many = 1e6
    given = Settings(
        data=data,
        web=data / "none",
        rate_per_user=many,
        rate_per_address=many,
        rate_sign_in=many,
    )
    app = create_app(services=open_services(given, CardEngine()))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def test_made_up_requests_are_answered_as_documented(schema: schemathesis.BaseSchema) -> None:
    services = schema.app.state.services  # type: ignore[union-attr]
    headers = {"Authorization": f"Bearer {services.tokens.issue('tester')}"}
    album = albums.create(services, "tester", "Album", keep_originals=True, linked=False)
    leaving = {"Authorization": f"Bearer {services.tokens.issue('leaver')}"}
    problems = []
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=5,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            nonlocal tried
            tried += 1
            if case.path.startswith("/albums/{id}") and case.method != "DELETE":
                # Past the first check, to where the rest of the request counts.
                case.path_parameters["id"] = album.id
            # An account of its own is erased: the other requests need theirs.
            erases = case.operation.definition.raw["operationId"] == "eraseAccount"
            case.call_and_validate(headers=leaving if erases else headers, checks=CHECKS)

        try:
            ask()
        except Exception as error:  # noqa: BLE001 - all of them are shown at the end
            problems.append(f"{operation.label}: {error}")
    assert not problems, "\n\n".join(problems)
    assert tried > 200


def test_operations_have_names_of_their_own(schema: schemathesis.BaseSchema) -> None:
    names = [
        operation["operationId"]
        for methods in schema.raw_schema["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][A-Za-z]{2,30}", name) for name in names)
    assert "Problem" in schema.raw_schema["components"]["schemas"]
    assert "HTTPValidationError" not in schema.raw_schema["components"]["schemas"]
