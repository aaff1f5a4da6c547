"""Events of albums on an EventBridge bus, from where they reach the sockets of clients."""

from __future__ import annotations

import json
import logging
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from api.events import Event

SOURCE, DETAIL_TYPE = "faceflow.api", "Album Event"

_log = logging.getLogger(__name__)


class EventBus:
    """A sink of events, see `events.forward`.

    Args:
        client: boto3's client of EventBridge.
        name: of the bus.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def __call__(self, album_id: str, event: Event) -> None:
        """Tell the bus. What it does not take is logged and lost: events are for showing."""
        detail = {"albumId": album_id, "kind": event.kind, "data": dict(event.data)}
        entry = {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(detail),
        }
        try:
            answer = self._client.put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as error:
            _log.warning("an event was not told", extra={"reason": str(error)})
            return
        if answer.get("FailedEntryCount"):
            _log.warning("an event was not told", extra={"reason": str(answer["Entries"])})
