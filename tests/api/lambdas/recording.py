"""Notes what a function asks of AWS, as IAM knows it."""

from __future__ import annotations

from typing import Any

from api.engine.engine import FaceEngine
from tests.infra.uses import ACTIONS, TRANSACTED


def recording(emulator: Any, aws: Any, seen: set[str], service: str) -> Any:
    """A client that notes what it is asked for, and what the URLs that it signs ask for."""
    client = emulator.client(service)
    kinds = {
        getattr(aws, f"{kind}_bucket"): kind for kind in ("raw", "derived", "embeddings", "exports")
    }
    kinds[aws.corrections_uri.split("/")[2]] = "models"
    prefix = {"stepfunctions": "states", "sesv2": "ses"}.get(service, service)

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems":
            actions = {TRANSACTED[kind] for item in params["TransactItems"] for kind in item}
        else:
            actions = {ACTIONS.get(model.name, model.name)}
        if actions == {"DeleteObject"} and any(
            "VersionId" in one for one in params["Delete"]["Objects"]
        ):
            actions = {"DeleteObjectVersion"}
        where = f" {kinds[params['Bucket']]}" if "Bucket" in params else ""
        seen.update(f"{prefix}:{action}{where}" for action in actions)

    client.meta.events.register("provide-client-params", note)
    return client


class Asked:
    """An engine that notes that it was asked: on AWS all that it tells comes from an endpoint."""

    def __init__(self, engine: FaceEngine, seen: set[str]) -> None:
        self._engine, self._seen = engine, seen

    def __getattr__(self, name: str) -> Any:
        self._seen.add("sagemaker:InvokeEndpoint")
        return getattr(self._engine, name)
