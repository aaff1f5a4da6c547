"""The audit log: who saw and changed what of a user, kept with the user's own rows."""

from __future__ import annotations

import time
from collections.abc import Mapping

from api.domain.models import Record
from api.ids import new_id, now
from api.repositories.records import RecordPage, Repository
from api.repositories.table import Key
from api.services import Services

KEPT_SECONDS = 400 * 86400


class AuditEntry(Record):
    """Something that was done, or the first of several like it in an hour that only looked.

    Attributes:
        actor: ``user`` (the owner), or ``recipient`` of a share.
        action: the operation, as the OpenAPI document calls it.
        subject: ids of what it was done to.
    """

    prefix = "AUDIT#"

    id: str
    user_id: str
    at: str
    actor: str
    action: str
    subject: Mapping[str, str]
    request_id: str | None = None
    expires_at: int

    def key(self) -> Key:
        return Key(f"USER#{self.user_id}", f"AUDIT#{self.id}")


def record(
    services: Services,
    user_id: str,
    *,
    actor: str,
    action: str,
    subject: Mapping[str, str],
    request_id: str | None,
) -> None:
    """Add an entry to a user's log."""
    entry = AuditEntry(
        id=new_id(),
        user_id=user_id,
        at=now(),
        actor=actor,
        action=action,
        subject=subject,
        request_id=request_id,
        expires_at=int(time.time()) + KEPT_SECONDS,
    )
    Repository(services.table, AuditEntry).save(entry)


def page(
    services: Services, user_id: str, *, limit: int, cursor: str | None
) -> RecordPage[AuditEntry]:
    """A user's log, the newest first."""
    entries = Repository(services.table, AuditEntry)
    return entries.page(f"USER#{user_id}", limit=limit, cursor=cursor, descending=True)
