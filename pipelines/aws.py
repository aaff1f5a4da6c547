"""What AWS refuses, as failures that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from faceflow_ml.errors import FaceFlowError


@contextmanager
def aws_failures() -> Iterator[None]:
    """Turn botocore's errors (no credentials, no network, a refusal) into FaceFlowError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise FaceFlowError(f"AWS: {error}") from error


def is_missing(error: Any) -> bool:
    """Whether a ClientError of SageMaker says that there is no such thing: it has no one code."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    words = ("could not find", "does not exist", "not found")
    return code == "ResourceNotFound" or (
        code == "ValidationException" and any(word in message.lower() for word in words)
    )
