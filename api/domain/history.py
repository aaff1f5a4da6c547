"""The log as people see it: their own decisions, not what clustering runs moved."""

from __future__ import annotations

from api.domain.decisions import HUMAN
from api.domain.ledger import people_of
from api.domain.models import Album, Decision
from api.repositories.cursors import decode_cursor, encode_cursor, fingerprint
from api.repositories.records import RecordPage
from api.services import Services


def list_decisions(
    services: Services, album: Album, limit: int, cursor: str | None
) -> RecordPage[Decision]:
    """Decisions, the newest first.

    Raises:
        BadCursor: of another list.
    """
    people_of(services, album)  # what a crash left behind shows here, too
    query = fingerprint("decisions", album.id)
    before = None if cursor is None else decode_cursor(cursor, query, 1)[0]
    found: list[Decision] = []
    page_cursor: str | None = None
    while len(found) <= limit:
        page = services.decisions.page(f"ALBUM#{album.id}", cursor=page_cursor, descending=True)
        found += [
            entry
            for entry in page.records
            if entry.kind in HUMAN and (before is None or entry.id < before)
        ]
        if (page_cursor := page.cursor) is None:
            break
    shown = tuple(found[:limit])
    more = len(found) > limit
    return RecordPage(shown, encode_cursor(query, [shown[-1].id]) if more else None)
