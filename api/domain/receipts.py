"""Receipts of erased accounts: what was removed, signed, and nothing about whose it was."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from api.domain.models import Record
from api.keyring import Keyring
from api.repositories.records import Repository
from api.repositories.table import Key
from api.services import Services

_PURPOSE = "erase-receipt"


class Erased(BaseModel):
    """How much there was when the erasing began."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    albums: int = 0
    photos: int = 0
    faces: int = 0
    clusters: int = 0
    shares: int = 0
    rows: int = 0
    """All rows, the ones above among them."""
    objects: int = 0
    bytes: int = 0
    """Of the objects."""


class Receipt(Record):
    """The receipt; its id, which only the user was told, is the permission to see it.

    ``digest`` is the SHA-256, in hexadecimal, of the JSON of ``id``, ``requestedAt``,
    ``completedAt`` and ``erased`` with sorted names and without spaces; ``signature`` is the
    service's own over it.
    """

    prefix = "RECEIPT"

    id: str
    state: Literal["running", "done"] = "running"
    requested_at: str
    completed_at: str | None = None
    erased: Erased
    digest: str | None = None
    signature: str | None = None

    def key(self) -> Key:
        return self.key_of(self.id)

    @staticmethod
    def key_of(receipt_id: str) -> Key:
        """Key of a receipt."""
        return Key(f"RECEIPT#{receipt_id}", "RECEIPT")

    def content_digest(self) -> str:
        """What ``digest`` must be."""
        content = {
            "id": self.id,
            "requestedAt": self.requested_at,
            "completedAt": self.completed_at,
            "erased": self.erased.model_dump(by_alias=True),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def signed(self, keyring: Keyring, completed_at: str) -> Receipt:
        """The receipt of work that is complete."""
        done = self.model_copy(update={"state": "done", "completed_at": completed_at})
        digest = done.content_digest()
        signature = keyring.sign(_PURPOSE, digest)
        return done.model_copy(update={"digest": digest, "signature": signature})

    def is_genuine(self, keyring: Keyring) -> bool:
        """Is it ours, and unaltered?"""
        digest = self.content_digest()
        return self.digest == digest and keyring.is_valid(_PURPOSE, digest, self.signature or "")


def read(services: Services, receipt_id: str) -> Receipt | None:
    """The receipt, or None."""
    return Repository(services.table, Receipt).get(Receipt.key_of(receipt_id))
