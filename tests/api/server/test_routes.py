"""Answers are written in the thread that makes them, and few are made at a time."""

from __future__ import annotations

import os
from typing import Any

import anyio
import pytest
from anyio import to_thread
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.routers.schemas.base import Schema
from api.server.routes import JsonRoute


class Made(Schema):
    """Its name in JSON is another."""

    some_number: int


def test_an_answer_is_made_and_written_in_one_call_of_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []
    run = to_thread.run_sync

    async def counted(function: Any, *args: Any, **options: Any) -> Any:
        calls.append(function)
        return await run(function, *args, **options)

    app = FastAPI()
    app.router.route_class = JsonRoute

    @app.post("/made", status_code=201)
    def make(number: int) -> Made:
        return Made(some_number=number)

    @app.delete("/made", status_code=204)
    def remove() -> None:
        return None

    monkeypatch.setattr("anyio.to_thread.run_sync", counted)
    with TestClient(app) as client:
        answer = client.post("/made", params={"number": 3})
        assert (answer.status_code, answer.content) == (201, b'{"someNumber":3}')
        assert answer.headers["content-type"] == "application/json"
        assert len(calls) == 1
        assert client.post("/made", params={"number": "x"}).status_code == 422
        assert (client.delete("/made").status_code, len(calls)) == (204, 2)
    operation = app.openapi()["paths"]["/made"]["post"]
    schema = operation["responses"]["201"]["content"]["application/json"]["schema"]
    assert (operation["summary"], schema["$ref"]) == ("Make", "#/components/schemas/Made")


def test_few_requests_are_worked_on_at_a_time(client: TestClient) -> None:
    async def threads() -> float:
        return to_thread.current_default_thread_limiter().total_tokens

    assert client.portal is not None
    assert client.portal.call(threads) == max(8, 4 * (os.cpu_count() or 1)) < anyio.run(threads)
