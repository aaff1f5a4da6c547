"""Routes that write their answers where they are made."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any

from fastapi import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel


class JsonRoute(APIRoute):
    """A route whose function's answer is made JSON in the thread that ran the function.

    FastAPI would validate it once more in another call of a thread, and each way there and back
    waits for the interpreter's lock twice: under load longer than most answers take to make. What
    functions return was validated when it was made. Coroutines are left alone, and so are functions
    that take the ``response`` to set headers of it.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        status_code: int | None = None,
        **options: Any,
    ) -> None:
        if not iscoroutinefunction(endpoint) and "response" not in signature(endpoint).parameters:
            endpoint = _written(endpoint, status_code or 200)
        super().__init__(path, endpoint, status_code=status_code, **options)


def _written(endpoint: Callable[..., Any], status: int) -> Callable[..., Any]:
    @wraps(endpoint)
    def answer(*args: Any, **kwargs: Any) -> Any:
        found = endpoint(*args, **kwargs)
        if not isinstance(found, BaseModel):
            return found
        body = found.model_dump_json(by_alias=True).encode()
        return Response(body, status, media_type="application/json")

    return answer
