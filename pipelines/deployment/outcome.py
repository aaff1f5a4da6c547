"""What a deployment or a rollback came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from faceflow_ml.inference.pretrained import Kind


@dataclass(frozen=True)
class Deployed:
    """A model that serves, or begins to.

    endpoint: URL of a server, or name of an endpoint. action: created, updated, unchanged or
    rolled back. contract_changed: vectors of before are of another space.
    """

    kind: Kind
    group: str
    version: int
    contract_id: str
    endpoint: str
    action: str
    previous_contract_id: str | None
    contract_changed: bool

    def plain(self) -> dict[str, Any]:
        """As a dictionary, for JSON."""
        return asdict(self)
