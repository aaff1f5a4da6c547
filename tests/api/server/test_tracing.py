"""The trace of a request that Lambda's Web Adapter tells of goes on in what AWS is asked for."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from api.aws import boto_clients
from api.server.limits import Limits
from api.server.middleware import RequestContext
from api.settings import Settings
from api.tracing import HEADER, trace_of

TRACE = "Root=1-67687c5a-a1b2c3d4e5f67890abcdef01;Parent=53995c3f42cd8ad8;Sampled=1"


class Answer(BytesIO):
    """The body of an answer, as urllib3 gives it."""

    def stream(self, **_: Any) -> list[bytes]:
        return [self.read()]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Traces of the requests to AWS."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return []


@pytest.fixture
def client(sent: list[str | None]) -> TestClient:
    """A server whose route starts an execution, behind the application's middleware."""
    states = boto_clients()("stepfunctions")

    def answer(request: Any, **_: Any) -> AWSResponse:
        trace = request.headers.get(HEADER)
        sent.append(trace.decode() if isinstance(trace, bytes) else trace)
        body = b'{"executionArn": "arn:aws:states:x", "startDate": 1}'
        return AWSResponse(request.url, 200, {}, Answer(body))

    states.meta.events.register("before-send", answer)

    def start(_: Any) -> Response:
        states.start_execution(stateMachineArn="arn:aws:states:x", name="a", input="{}")
        return Response()

    app = Starlette(routes=[Route("/", start)])
    app.add_middleware(RequestContext, limits=Limits(Settings()))
    return TestClient(app)


def test_what_is_started_is_part_of_the_trace(client: TestClient, sent: list[str | None]) -> None:
    told = {"request_id": "r", "xray_trace_id": TRACE}
    assert client.get("/", headers={"x-amzn-lambda-context": json.dumps(told)}).is_success
    assert client.get("/").is_success
    assert sent == [TRACE, None], "the next request has a trace of its own, or none"


@pytest.mark.parametrize(
    "told",
    ["", "no JSON", "[]", "{}", '{"xray_trace_id": "x\\r\\ny"}', '{"xray_trace_id": 1}'],
)
def test_what_is_no_trace_is_not_passed_on(told: str) -> None:
    assert trace_of({"x-amzn-lambda-context": told}) is None
